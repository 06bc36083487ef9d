package splade_lucene;

import java.io.IOException;

/** The postings of a term, to be added up window after window. */
interface Postings {
  /** Adds the impacts in a window, times a weight, to the scores of its documents; windows are asked for in order. */
  void addTo(int[] scores, int window, int weight) throws IOException;

  /** The largest impact; of postings that are read as they are added up, the largest so far. */
  int maxImpact();
}
