package splade_lucene;

import java.io.IOException;

/** The postings of a term in a segment, to be added up from the first to the last. */
interface SegmentPostings {
  /**
   * Adds impacts, times a weight, to the scores of documents.
   *
   * @param first the document of the index that the first score is of
   * @param end the document of the index to stop at
   * @return whether there are postings left
   */
  boolean addTo(int[] scores, int first, long end, int weight) throws IOException;

  /** The largest impact so far. */
  int maxImpact();
}
