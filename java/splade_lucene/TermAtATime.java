package splade_lucene;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.util.FixedBitSet;

/**
 * Exact search that adds up postings term after term.
 *
 * <p>Documents are taken window after window, so that the scores of one fit into the processor's cache.
 */
final class TermAtATime {
  private static final int SMALL = 14; // bits of a window; of an index of many documents:
  private static final int LARGE = 16;
  private static final int MANY = 1 << 19;
  private static final int BLOCK = 64; // documents whose best score is compared first
  private static final int SPARSE = 8; // where one document in so many may be found, only these are looked at

  /** Bits of the number of documents in a window. */
  final int bits;

  /** How many windows there are. */
  final int windows;

  private final IndexReader reader;
  private final DocidOrder order;
  private final ConcurrentLinkedQueue<Scratch> idle = new ConcurrentLinkedQueue<>();

  /** What a search needs for itself. */
  private static final class Scratch {
    final int[] scores;
    final Selection best = new Selection();

    Scratch(int window) {
      scores = new int[window];
    }
  }

  TermAtATime(IndexReader reader, DocidOrder order) {
    this.reader = reader;
    this.order = order;
    bits = bits(reader);
    windows = windows(reader);
  }

  /**
   * The best documents.
   *
   * @param terms so many that are not null
   * @param within the documents that may be found; null for all
   * @param allowed how many these are
   */
  Hit[] top(Postings[] terms, int[] weights, int count, int k, FixedBitSet within, int allowed) throws IOException {
    Scratch scratch = idle.poll();
    if (scratch == null) {
      scratch = new Scratch(1 << bits);
    }
    scratch.best.reset(Math.min(k, Math.max(1, reader.numDocs())));
    for (int window = 0; window < windows; window++) {
      int base = window << bits;
      int size = Math.min(1 << bits, reader.maxDoc() - base);
      if (within == null || within.nextSetBit(base) < base + size || terms[0] instanceof StreamedTerm) {
        for (int place = 0; place < count; place++) {
          terms[place].addTo(scratch.scores, window, weights[place]);
        }
        if (within == null || allowed > reader.maxDoc() / SPARSE) {
          select(scratch, base, size, within);
        } else {
          selectAllowed(scratch, base, size, within);
        }
        Arrays.fill(scratch.scores, 0, size, 0);
      }
    }
    long[] keys = scratch.best.sorted();
    idle.add(scratch);
    Hit[] hits = new Hit[keys.length];
    for (int place = 0; place < keys.length; place++) {
      hits[place] = new Hit(order.docid(~(int) keys[place]), keys[place] >>> 32);
    }
    return hits;
  }

  /** Adds the documents of a window that may be among the best: by score, equal scores by rank, the smallest first. */
  private void select(Scratch scratch, int base, int size, FixedBitSet within) {
    int[] scores = scratch.scores;
    Selection best = scratch.best;
    int least = Math.max(1, (int) (best.least() >>> 32));
    for (int start = 0; start < size; start += BLOCK) {
      int end = Math.min(size, start + BLOCK);
      int most = 0;
      for (int place = start; place < end; place++) {
        most = Math.max(most, scores[place]);
      }
      if (most >= least) {
        for (int place = start; place < end; place++) {
          if (scores[place] >= least && (within == null || within.get(base + place))) {
            best.add((long) scores[place] << 32 | ~order.rank(base + place) & 0xffffffffL);
          }
        }
        least = Math.max(1, (int) (best.least() >>> 32));
      }
    }
  }

  /** The same, where few documents may be found. */
  private void selectAllowed(Scratch scratch, int base, int size, FixedBitSet within) {
    int end = base + size;
    int least = Math.max(1, (int) (scratch.best.least() >>> 32));
    for (int doc = within.nextSetBit(base); doc < end; doc = doc + 1 < end ? within.nextSetBit(doc + 1) : end) {
      int score = scratch.scores[doc - base];
      if (score >= least) {
        scratch.best.add((long) score << 32 | ~order.rank(doc) & 0xffffffffL);
      }
    }
  }

  /** Bits of the number of documents in a window of an index. */
  static int bits(IndexReader reader) {
    return reader.maxDoc() < MANY ? SMALL : LARGE;
  }

  /** The number of windows of an index. */
  static int windows(IndexReader reader) {
    return (int) ((reader.maxDoc() + (1L << bits(reader)) - 1) >>> bits(reader));
  }
}
