package splade_lucene;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRef;

/**
 * The postings of a term as arrays: for each the offset of its document within a window of documents, and its impact.
 *
 * <p>Impacts take a byte each. A larger one is written as several postings that add up to it; where many are larger, all of the term
 * take an {@code int}.
 */
final class DecodedTerm implements Postings {
  private static final int LARGEST_BYTE = 0xff;

  private final int maxImpact;
  private final char[] offsets;
  private final byte[] bytes; // impacts, or null where they are in ints
  private final int[] ints;
  private final int[] starts; // where the postings of each window begin, and where those of the last one end

  private DecodedTerm(int[] docs, int[] impacts, int count, int windowBits, int windows) {
    int largest = 0;
    long size = 0;
    for (int place = 0; place < count; place++) {
      largest = Math.max(largest, impacts[place]);
      size += (impacts[place] + LARGEST_BYTE - 1) / LARGEST_BYTE;
    }
    boolean narrow = size <= count + count / 4L && size < Integer.MAX_VALUE - 8;
    maxImpact = largest;
    offsets = new char[narrow ? (int) size : count];
    bytes = narrow ? new byte[(int) size] : null;
    ints = narrow ? null : Arrays.copyOf(impacts, count);
    starts = new int[windows + 1];
    int mask = (1 << windowBits) - 1;
    int window = 0;
    int end = 0;
    for (int place = 0; place < count; place++) {
      while (window < docs[place] >>> windowBits) {
        starts[++window] = end;
      }
      char offset = (char) (docs[place] & mask);
      if (narrow) {
        int left = impacts[place];
        for (; left > LARGEST_BYTE; left -= LARGEST_BYTE) {
          offsets[end] = offset;
          bytes[end++] = (byte) LARGEST_BYTE;
        }
        bytes[end] = (byte) left;
      }
      offsets[end++] = offset;
    }
    while (window < windows) {
      starts[++window] = end;
    }
  }

  @Override
  public int maxImpact() {
    return maxImpact;
  }

  @Override
  public void addTo(int[] scores, int window, int weight) {
    int end = starts[window + 1];
    char[] offsets = this.offsets;
    if (bytes != null) {
      byte[] bytes = this.bytes;
      for (int place = starts[window]; place < end; place++) {
        scores[offsets[place]] += weight * (bytes[place] & LARGEST_BYTE);
      }
    } else {
      for (int place = starts[window]; place < end; place++) {
        scores[offsets[place]] += weight * ints[place];
      }
    }
  }

  /** The bytes that it takes up, roughly. */
  long size() {
    return 96 + 2L * offsets.length + (bytes == null ? 4L * ints.length : bytes.length) + 4L * starts.length;
  }

  /** Decodes the postings of a term, without those of deleted documents; null if there are none. */
  static DecodedTerm decode(List<LeafReaderContext> leaves, String field, BytesRef term, int windowBits, int windows)
      throws IOException {
    int[] docs = null;
    int[] impacts = null;
    int count = 0;
    for (LeafReaderContext leaf : leaves) {
      Terms terms = leaf.reader().terms(field);
      TermsEnum found = terms == null ? null : terms.iterator();
      if (found == null || !found.seekExact(term)) {
        continue;
      }
      int room = count + found.docFreq();
      docs = docs == null ? new int[room] : Arrays.copyOf(docs, room);
      impacts = impacts == null ? new int[room] : Arrays.copyOf(impacts, room);
      Bits live = leaf.reader().getLiveDocs();
      PostingsEnum postings = found.postings(null, PostingsEnum.FREQS);
      for (int doc = postings.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = postings.nextDoc()) {
        if (live == null || live.get(doc)) {
          docs[count] = leaf.docBase + doc;
          impacts[count++] = postings.freq();
        }
      }
    }
    return count == 0 ? null : new DecodedTerm(docs, impacts, count, windowBits, windows);
  }
}
