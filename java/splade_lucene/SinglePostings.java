package splade_lucene;

import java.io.IOException;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;

/** Postings that are read one after the other. */
final class SinglePostings implements SegmentPostings {
  private final LeafReaderContext leaf;
  private final PostingsEnum postings;
  private int maxImpact;

  /**
   * @param postings before the first document
   */
  SinglePostings(LeafReaderContext leaf, PostingsEnum postings) throws IOException {
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
    int doc = postings.docID();
    for (; doc < stop; doc = postings.nextDoc()) {
      if (live == null || live.get(doc)) {
        int impact = postings.freq();
        largest = Math.max(largest, impact);
        scores[shift + doc] += weight * impact;
      }
    }
    maxImpact = largest;
    return doc != DocIdSetIterator.NO_MORE_DOCS;
  }

  @Override
  public int maxImpact() {
    return maxImpact;
  }
}
