package splade_lucene;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRef;

/** The postings of a term, read from the index as they are added up. */
final class StreamedTerm implements Postings {
  private final List<LeafReaderContext> leaves = new ArrayList<>();
  private final List<PostingsEnum> postings = new ArrayList<>(); // of the term in these segments
  private final int bits;
  private int segment;
  private int maxImpact;

  private StreamedTerm(int bits) {
    this.bits = bits;
  }

  /** Opens the postings of a term; null if there are none. */
  static StreamedTerm open(List<LeafReaderContext> leaves, String field, BytesRef term, int bits) throws IOException {
    StreamedTerm streamed = new StreamedTerm(bits);
    for (LeafReaderContext leaf : leaves) {
      Terms terms = leaf.reader().terms(field);
      TermsEnum found = terms == null ? null : terms.iterator();
      if (found != null && found.seekExact(term)) {
        PostingsEnum each = found.postings(null, PostingsEnum.FREQS);
        each.nextDoc();
        streamed.leaves.add(leaf);
        streamed.postings.add(each);
      }
    }
    return streamed.leaves.isEmpty() ? null : streamed;
  }

  @Override
  public void addTo(int[] scores, int window, int weight) throws IOException {
    long end = (window + 1L) << bits;
    while (segment < leaves.size()) {
      LeafReaderContext leaf = leaves.get(segment);
      PostingsEnum each = postings.get(segment);
      Bits live = leaf.reader().getLiveDocs();
      int shift = leaf.docBase - (window << bits);
      int stop = (int) Math.min(DocIdSetIterator.NO_MORE_DOCS, end - leaf.docBase);
      int largest = maxImpact;
      int doc = each.docID();
      for (; doc < stop; doc = each.nextDoc()) {
        if (live == null || live.get(doc)) {
          int impact = each.freq();
          largest = Math.max(largest, impact);
          scores[shift + doc] += weight * impact;
        }
      }
      maxImpact = largest;
      if (doc != DocIdSetIterator.NO_MORE_DOCS) {
        return; // the rest is in later windows
      }
      segment++;
    }
  }

  @Override
  public int maxImpact() {
    return maxImpact;
  }
}
