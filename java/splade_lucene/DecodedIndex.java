package splade_lucene;

import java.io.IOException;
import java.lang.ref.Cleaner;
import java.util.Arrays;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.Term;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.util.BytesRef;
import org.apache.lucene.util.FixedBitSet;

/**
 * An impact index decoded in memory: exact search, term after term, over arrays of postings.
 *
 * <p>Documents are taken window after window, so that the scores of one fit into the processor's cache. A term is decoded when it is
 * first searched for.
 */
final class DecodedIndex {
  static final String FIELD = "contents";

  /** From here on Lucene's scores, which are floats, are not exact. */
  static final int INEXACT = 1 << 24;

  private static final int SMALL = 14; // bits of a window; of an index of many documents:
  private static final int LARGE = 16;
  private static final int MANY = 1 << 19;
  private static final int BLOCK = 64; // documents whose best score is compared first
  private static final int SPARSE = 16; // where one document in so many may be found, only these are looked at
  private static final int ARRAYS = 128; // bytes of the objects of a term
  private static final int DOCID = 24; // bytes of a docid, its end and its rank
  private static final Cleaner CLEANER = Cleaner.create();
  private static final AtomicLong HELD_BY_ALL = new AtomicLong(); // bytes, of all indexes in this JVM

  private final IndexReader reader;
  private final DocidOrder order;
  private final int bits;
  private final int windows;
  private final long limit;
  private final AtomicLong held = new AtomicLong();
  private final Cleaner.Cleanable release;
  private final ConcurrentHashMap<String, DecodedTerm> terms = new ConcurrentHashMap<>();
  private final ConcurrentLinkedQueue<Scratch> idle = new ConcurrentLinkedQueue<>();

  /** What a search needs for itself. */
  private static final class Scratch {
    final int[] scores;
    final Selection best = new Selection();

    Scratch(int window) {
      scores = new int[window];
    }
  }

  /**
   * @param reader of the index
   * @param limit the bytes that all decoded indexes in this JVM may take up together
   */
  DecodedIndex(IndexReader reader, long limit) throws IOException {
    this.reader = reader;
    this.limit = limit;
    bits = bits(reader);
    windows = windows(reader);
    order = new DocidOrder(reader);
    AtomicLong held = this.held; // the runnable must not hold this
    release = CLEANER.register(this, () -> HELD_BY_ALL.addAndGet(-held.getAndSet(0)));
    hold(order.size());
  }

  /** The bytes that an index takes up when all of it is decoded, roughly. */
  static long size(IndexReader reader) throws IOException {
    long postings = 0;
    long terms = 0;
    for (LeafReaderContext leaf : reader.leaves()) {
      Terms each = leaf.reader().terms(FIELD);
      if (each != null) {
        postings += each.getSumDocFreq();
        terms = Math.max(terms, each.size());
      }
    }
    return 3 * postings + terms * (ARRAYS + 4L * (windows(reader) + 1)) + (long) DOCID * reader.maxDoc();
  }

  /** The bytes that all decoded indexes in this JVM take up. */
  static long heldByAll() {
    return HELD_BY_ALL.get();
  }

  /** The bytes that this one takes up now. */
  long held() {
    return held.get();
  }

  /** Gives the memory back. */
  void close() {
    release.clean();
    terms.clear();
  }

  /** Decodes all terms. */
  void decodeAll() throws IOException {
    for (LeafReaderContext leaf : reader.leaves()) {
      Terms each = leaf.reader().terms(FIELD);
      if (each != null) {
        TermsEnum names = each.iterator();
        for (BytesRef name = names.next(); name != null; name = names.next()) {
          decoded(name.utf8ToString());
        }
      }
    }
  }

  /**
   * Searches for a query.
   *
   * @param within the documents that may be found; null for all
   * @param allowed how many these are
   * @return the hits, best first; null where only Lucene has the answer: scores are not exact, or there is no memory left for a term
   */
  Hit[] top(ImpactQuery query, int k, FixedBitSet within, int allowed) throws IOException {
    int[] weights = query.weights();
    if (weights == null) {
      return null;
    }
    DecodedTerm[] found = new DecodedTerm[weights.length];
    int count = 0;
    long most = 0;
    for (int place = 0; place < weights.length; place++) {
      DecodedTerm term = decoded(query.tokens[place]);
      if (term != null) {
        most += (long) weights[place] * term.maxImpact;
        if (most >= INEXACT) {
          return null;
        }
        found[count] = term;
        weights[count++] = weights[place];
      } else if (isFull() && isThere(query.tokens[place])) {
        return null;
      }
    }
    if (count == 0) {
      return new Hit[0];
    }
    Scratch scratch = idle.poll();
    if (scratch == null) {
      scratch = new Scratch(1 << bits);
    }
    scratch.best.reset(Math.min(k, Math.max(1, reader.numDocs())));
    for (int window = 0; window < windows; window++) {
      int base = window << bits;
      int size = Math.min(1 << bits, reader.maxDoc() - base);
      if (within == null || hasBit(within, base, base + size)) {
        for (int place = 0; place < count; place++) {
          found[place].addTo(scratch.scores, window, weights[place]);
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
    for (int doc = within.nextSetBit(base); doc < end; doc = doc + 1 < end ? within.nextSetBit(doc + 1) : end) {
      int score = scratch.scores[doc - base];
      if (score > 0) {
        scratch.best.add((long) score << 32 | ~order.rank(doc) & 0xffffffffL);
      }
    }
  }

  private static boolean hasBit(FixedBitSet bits, int start, int end) {
    return bits.nextSetBit(start) < end;
  }

  /** A term; null if no document has it, or there is no memory left. */
  private DecodedTerm decoded(String token) throws IOException {
    DecodedTerm term = terms.get(token);
    if (term == null && !isFull()) {
      DecodedTerm fresh = DecodedTerm.decode(reader.leaves(), FIELD, new BytesRef(token), bits, windows);
      if (fresh != null) {
        term = terms.putIfAbsent(token, fresh);
        if (term == null) {
          hold(fresh.size());
          term = fresh;
        }
      }
    }
    return term;
  }

  private boolean isThere(String token) throws IOException {
    return reader.docFreq(new Term(FIELD, token)) > 0;
  }

  private boolean isFull() {
    return HELD_BY_ALL.get() > limit;
  }

  private void hold(long bytes) {
    held.addAndGet(bytes);
    HELD_BY_ALL.addAndGet(bytes);
  }

  private static int bits(IndexReader reader) {
    return reader.maxDoc() < MANY ? SMALL : LARGE;
  }

  private static int windows(IndexReader reader) {
    return (int) ((reader.maxDoc() + (1L << bits(reader)) - 1) >>> bits(reader));
  }
}
