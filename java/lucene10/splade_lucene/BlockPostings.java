package splade_lucene;

import java.io.IOException;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.search.DocAndFloatFeatureBuffer;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;

/** Postings that are read in blocks, as Lucene 10.3 and later can. */
final class BlockPostings implements SegmentPostings {
  private final LeafReaderContext leaf;
  private final PostingsEnum postings;
  private final DocAndFloatFeatureBuffer block = new DocAndFloatFeatureBuffer();
  private int maxImpact; // of 2^24 and more a float is a little off, but from there on sums count for nothing

  /**
   * @param postings before the first document
   */
  BlockPostings(LeafReaderContext leaf, PostingsEnum postings) throws IOException {
    this.leaf = leaf;
    this.postings = postings;
    postings.nextDoc();
  }

  @Override
  public boolean addTo(int[] scores, int first, long end, int weight) throws IOException {
    Bits live = leaf.reader().getLiveDocs();
    int shift = leaf.docBase - first;
    int stop = (int) Math.min(DocIdSetIterator.NO_MORE_DOCS, end - leaf.docBase);
    int largest = maxImpact;
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
    return postings.docID() != DocIdSetIterator.NO_MORE_DOCS;
  }

  @Override
  public int maxImpact() {
    return maxImpact;
  }
}
