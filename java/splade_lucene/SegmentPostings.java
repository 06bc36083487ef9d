package splade_lucene;

import java.io.IOException;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;

/** The postings of a term in a segment, to be added up from the first to the last. */
abstract class SegmentPostings {
  final PostingsEnum postings;

  /** The largest impact so far. */
  int maxImpact;

  private final LeafReaderContext leaf;

  /**
   * @param postings before the first document
   */
  SegmentPostings(LeafReaderContext leaf, PostingsEnum postings) throws IOException {
    this.leaf = leaf;
    this.postings = postings;
    postings.nextDoc();
  }

  /**
   * Adds impacts, times a weight, to the scores of documents.
   *
   * @param first the document of the index that the first score is of
   * @param end the document of the index to stop at
   * @return whether there are postings left
   */
  final boolean addTo(int[] scores, int first, long end, int weight) throws IOException {
    int stop = (int) Math.min(DocIdSetIterator.NO_MORE_DOCS, end - leaf.docBase);
    add(scores, leaf.docBase - first, stop, weight, leaf.reader().getLiveDocs());
    return postings.docID() != DocIdSetIterator.NO_MORE_DOCS;
  }

  /**
   * Adds the postings of the next documents and keeps the largest impact.
   *
   * @param shift from a document of the segment to its score
   * @param stop the document of the segment to stop at
   * @param live the documents that count; null for all
   */
  abstract void add(int[] scores, int shift, int stop, int weight, Bits live) throws IOException;
}
