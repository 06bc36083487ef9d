package splade_lucene;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.lucene.util.BytesRef;

/** Documents by the best of their passages, whose docids are the document's with {@code #} and a number. */
final class BestPassages {
  interface Search {
    Hit[] search(int k) throws IOException;
  }

  private BestPassages() {}

  /** The best documents: fetches passages until none of those that are left can change them. */
  static Collection<Hit> search(Search passages, int k) throws IOException {
    for (long wanted = 2L * k; ; wanted *= 4) {
      int limit = (int) Math.min(wanted, Integer.MAX_VALUE);
      Hit[] found = passages.search(limit);
      Map<BytesRef, Hit> best = new HashMap<>();
      float last = found.length < limit ? 0 : found[limit - 1].score();
      int certain = 0; // documents that the passages left, whose scores are at most the last one's, come after
      for (Hit hit : found) {
        BytesRef document = document(hit.docid());
        if (best.putIfAbsent(document, new Hit(document, hit.score())) == null && hit.score() > last) {
          certain++;
        }
      }
      if (found.length < limit || certain >= k) {
        List<Hit> sorted = new ArrayList<>(best.values());
        sorted.sort(Hit.ORDER);
        return sorted.subList(0, Math.min(k, sorted.size()));
      }
    }
  }

  /** The docid of the document that a passage is of. */
  static BytesRef document(BytesRef passage) {
    int place = passage.offset + passage.length - 1;
    while (place >= passage.offset && passage.bytes[place] >= '0' && passage.bytes[place] <= '9') {
      place--;
    }
    boolean numbered = place >= passage.offset && place < passage.offset + passage.length - 1 && passage.bytes[place] == '#';
    return numbered ? new BytesRef(passage.bytes, passage.offset, place - passage.offset) : passage;
  }
}
