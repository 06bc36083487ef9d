package splade_lucene;

import java.io.IOException;
import java.util.Set;
import org.apache.lucene.index.BinaryDocValues;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.MultiBits;
import org.apache.lucene.index.MultiDocValues;
import org.apache.lucene.index.MultiTerms;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.StoredFields;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRefBuilder;

/** The docids of an index, without those of deleted documents. */
final class Docids {
  private Docids() {}

  /** All of them, a line each. */
  static String all(IndexReader reader) throws IOException {
    BinaryDocValues values = MultiDocValues.getBinaryValues(reader, "id");
    Bits live = MultiBits.getLiveDocs(reader);
    BytesRefBuilder docids = new BytesRefBuilder();
    while (values != null && values.nextDoc() != BinaryDocValues.NO_MORE_DOCS) {
      if (live == null || live.get(values.docID())) {
        docids.append(values.binaryValue());
        docids.append((byte) '\n');
      }
    }
    return docids.get().utf8ToString();
  }

  /** Some of them, a line each, of documents spread evenly over the index; all if it has no more. */
  static String some(IndexReader reader, int most) throws IOException {
    Bits live = MultiBits.getLiveDocs(reader);
    StoredFields fields = reader.storedFields();
    StringBuilder docids = new StringBuilder();
    int count = Math.min(most, reader.numDocs());
    int doc = -1;
    long seen = -1; // documents before this one
    for (int place = 0; place < count; place++) {
      long wanted = (long) reader.numDocs() * (2 * place + 1) / (2L * count);
      while (seen < wanted) {
        doc++;
        seen += live == null || live.get(doc) ? 1 : 0;
      }
      docids.append(fields.document(doc, Set.of("id")).get("id")).append('\n');
    }
    return docids.toString();
  }

  /** Whether none of them is there twice. */
  static boolean unique(IndexReader reader) throws IOException {
    Terms terms = MultiTerms.getTerms(reader, "id");
    Bits live = MultiBits.getLiveDocs(reader);
    TermsEnum docids = terms == null ? TermsEnum.EMPTY : terms.iterator();
    while (docids.next() != null) {
      if (docids.docFreq() > 1 && (live == null || count(docids, live) > 1)) {
        return false;
      }
    }
    return true;
  }

  private static int count(TermsEnum docid, Bits live) throws IOException {
    PostingsEnum postings = docid.postings(null, PostingsEnum.NONE);
    int count = 0;
    while (postings.nextDoc() != DocIdSetIterator.NO_MORE_DOCS) {
      count += live.get(postings.docID()) ? 1 : 0;
    }
    return count;
  }
}
