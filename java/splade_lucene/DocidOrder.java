package splade_lucene;

import java.io.IOException;
import java.util.Arrays;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.MultiBits;
import org.apache.lucene.index.MultiTerms;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRef;

/** The documents of an index in the order of their docids' bytes, which is the order of equal scores. */
final class DocidOrder {
  private static final int MOST = Integer.MAX_VALUE - 8; // bytes of an array

  private final int[] ranks; // of documents
  private final int[] ends; // of the docids, in the order of ranks
  private byte[] docids;

  /**
   * Reads all docids from the dictionary of terms, where they are in order.
   *
   * @throws ArithmeticException if they do not fit into one array
   */
  DocidOrder(IndexReader reader) throws IOException {
    ranks = new int[reader.maxDoc()];
    ends = new int[reader.numDocs()];
    docids = new byte[Math.max(16, 16 * Math.min(ends.length, 1 << 26))];
    Bits live = MultiBits.getLiveDocs(reader);
    Terms terms = MultiTerms.getTerms(reader, "id");
    TermsEnum each = terms == null ? TermsEnum.EMPTY : terms.iterator();
    PostingsEnum postings = null;
    int rank = 0;
    int end = 0;
    for (BytesRef docid = each.next(); docid != null; docid = each.next()) {
      postings = each.postings(postings, PostingsEnum.NONE);
      for (int doc = postings.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = postings.nextDoc()) {
        if (live == null || live.get(doc)) {
          if (end > MOST - docid.length) {
            throw new ArithmeticException("the docids take more than 2 GB");
          }
          if (docid.length > docids.length - end) {
            docids = Arrays.copyOf(docids, (int) Math.min(MOST, 2L * docids.length + docid.length));
          }
          System.arraycopy(docid.bytes, docid.offset, docids, end, docid.length);
          end += docid.length;
          ends[rank] = end;
          ranks[doc] = rank++;
        }
      }
    }
    docids = Arrays.copyOf(docids, end);
  }

  /** The rank of a document's docid. */
  int rank(int doc) {
    return ranks[doc];
  }

  /** The docid of a rank. */
  BytesRef docid(int rank) {
    int start = rank == 0 ? 0 : ends[rank - 1];
    return new BytesRef(docids, start, ends[rank] - start);
  }

  /** The bytes that it takes up. */
  long size() {
    return 4L * ranks.length + 4L * ends.length + docids.length;
  }
}
