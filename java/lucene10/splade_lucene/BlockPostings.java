package splade_lucene;

import java.io.IOException;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.search.DocAndFloatFeatureBuffer;
import org.apache.lucene.util.Bits;

/** Postings that are read in blocks, as Lucene 10.3 and later can. */
final class BlockPostings extends SegmentPostings {
  private final DocAndFloatFeatureBuffer block = new DocAndFloatFeatureBuffer();

  /**
   * @param postings before the first document
   */
  BlockPostings(LeafReaderContext leaf, PostingsEnum postings) throws IOException {
    super(leaf, postings);
  }

  @Override
  void add(int[] scores, int shift, int stop, int weight, Bits live) throws IOException {
    int largest = maxImpact; // of 2^24 and more a float is a little off, but from there on sums count for nothing
    for (postings.nextPostings(stop, block); block.size > 0; postings.nextPostings(stop, block)) {
      if (live != null) {
        block.apply(live);
      }
      int[] docs = block.docs;
      float[] impacts = block.features;
      for (int place = 0; place < block.size; place++) {
        int impact = (int) impacts[place];
        largest = Math.max(largest, impact);
        scores[shift + docs[place]] += weight * impact;
      }
    }
    maxImpact = largest;
  }
}
