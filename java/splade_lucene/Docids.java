package splade_lucene;

import java.io.IOException;
import org.apache.lucene.index.BinaryDocValues;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.MultiDocValues;
import org.apache.lucene.index.MultiTerms;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.util.BytesRefBuilder;

/** The docids of an index. */
final class Docids {
  private Docids() {}

  /** All of them, a line each. */
  static String all(IndexReader reader) throws IOException {
    BinaryDocValues values = MultiDocValues.getBinaryValues(reader, "id");
    BytesRefBuilder docids = new BytesRefBuilder();
    while (values != null && values.nextDoc() != BinaryDocValues.NO_MORE_DOCS) {
      docids.append(values.binaryValue());
      docids.append((byte) '\n');
    }
    return docids.get().utf8ToString();
  }

  /** Whether none of them is there twice. */
  static boolean unique(IndexReader reader) throws IOException {
    Terms terms = MultiTerms.getTerms(reader, "id");
    TermsEnum docids = terms == null ? TermsEnum.EMPTY : terms.iterator();
    while (docids.next() != null) {
      if (docids.docFreq() > 1) {
        return false;
      }
    }
    return true;
  }
}
