package splade_lucene;

import java.io.IOException;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.util.Bits;

/** Postings that are read one after the other. */
final class SinglePostings extends SegmentPostings {
  /**
   * @param postings before the first document
   */
  SinglePostings(LeafReaderContext leaf, PostingsEnum postings) throws IOException {
    super(leaf, postings);
  }

  @Override
  void add(int[] scores, int shift, int stop, int weight, Bits live) throws IOException {
    int largest = maxImpact;
    for (int doc = postings.docID(); doc < stop; doc = postings.nextDoc()) {
      if (live == null || live.get(doc)) {
        int impact = postings.freq();
        largest = Math.max(largest, impact);
        scores[shift + doc] += weight * impact;
      }
    }
    maxImpact = largest;
  }
}
