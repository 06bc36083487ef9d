package splade_lucene;

import java.util.Comparator;
import org.apache.lucene.util.BytesRef;

/** A hit. */
record Hit(BytesRef docid, float score) {
  /** Best first, equal scores in the order of docids. */
  static final Comparator<Hit> ORDER = Comparator.comparing(Hit::score, Comparator.reverseOrder()).thenComparing(Hit::docid);
}
