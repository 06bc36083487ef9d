package splade_lucene;

import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.util.BytesRef;

/** The postings of a term, read from the index as they are added up. */
final class StreamedTerm implements Postings {
  private final List<SegmentPostings> segments = new ArrayList<>(); // that have the term
  private final int bits;
  private int segment;

  /** Of the class that reads postings in blocks; null where Lucene cannot do that. */
  private static final Constructor<?> IN_BLOCKS = inBlocks();

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
        streamed.segments.add(read(leaf, found.postings(null, PostingsEnum.FREQS)));
      }
    }
    return streamed.segments.isEmpty() ? null : streamed;
  }

  private static SegmentPostings read(LeafReaderContext leaf, PostingsEnum postings) throws IOException {
    if (IN_BLOCKS == null) {
      return new SinglePostings(leaf, postings);
    }
    try {
      return (SegmentPostings) IN_BLOCKS.newInstance(leaf, postings);
    } catch (InvocationTargetException error) {
      if (error.getCause() instanceof IOException) {
        throw (IOException) error.getCause();
      }
      throw new IllegalStateException(error.getCause());
    } catch (ReflectiveOperationException error) {
      throw new IllegalStateException(error);
    }
  }

  private static Constructor<?> inBlocks() {
    try {
      Class.forName("org.apache.lucene.search.DocAndFloatFeatureBuffer");
      Class<?> reading = Class.forName("splade_lucene.BlockPostings"); // named here, as it is compiled after this class
      return reading.getDeclaredConstructor(LeafReaderContext.class, PostingsEnum.class);
    } catch (ClassNotFoundException error) {
      return null;
    } catch (NoSuchMethodException error) {
      throw new IllegalStateException(error);
    }
  }

  @Override
  public void addTo(int[] scores, int window, int weight) throws IOException {
    long end = (window + 1L) << bits;
    while (segment < segments.size() && !segments.get(segment).addTo(scores, window << bits, end, weight)) {
      segment++; // what is left of others is in later windows
    }
  }

  @Override
  public int maxImpact() {
    int largest = 0;
    for (SegmentPostings each : segments) {
      largest = Math.max(largest, each.maxImpact);
    }
    return largest;
  }
}
