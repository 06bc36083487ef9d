package splade_lucene;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Cleaner;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.Term;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.util.BytesRef;
import org.apache.lucene.util.FixedBitSet;

/**
 * An impact index in memory: exact search, term after term, over arrays of postings. A term is decoded when it is first searched for.
 *
 * <p>Of an index that is too large for that, only the docids are in memory, and postings are read from disk.
 */
final class DecodedIndex {
  static final String FIELD = "contents";

  /** From here on Lucene's scores, which are floats, are not exact. */
  static final int INEXACT = 1 << 24;

  private static final int ARRAYS = 128; // bytes of the objects of a term
  private static final int DOCID = 24; // bytes of a docid, its end and its rank
  private static final Cleaner CLEANER = Cleaner.create();
  private static final AtomicLong HELD_BY_ALL = new AtomicLong(); // bytes, of all indexes in this JVM

  private final IndexReader reader;
  private final TermAtATime search;
  private final long limit;
  private final AtomicLong held = new AtomicLong();
  private final Cleaner.Cleanable release;
  private volatile boolean closed;
  private final ConcurrentHashMap<String, DecodedTerm> terms = new ConcurrentHashMap<>();

  /**
   * @param reader of the index
   * @param limit the bytes that all decoded indexes in this JVM may take up together
   */
  DecodedIndex(IndexReader reader, long limit) throws IOException {
    this.reader = reader;
    this.limit = limit;
    DocidOrder order = new DocidOrder(reader);
    search = new TermAtATime(reader, order);
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
    return 3 * postings + terms * (ARRAYS + 4L * (TermAtATime.windows(reader) + 1)) + docidBytes(reader);
  }

  /** The bytes that the docids of an index take up, roughly. */
  static long docidBytes(IndexReader reader) {
    return (long) DOCID * reader.maxDoc();
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
    closed = true;
    release.clean();
    terms.clear();
  }

  /** Decodes all terms, with all processors. */
  void decodeAll() throws IOException {
    Set<String> all = new HashSet<>();
    for (LeafReaderContext leaf : reader.leaves()) {
      Terms each = leaf.reader().terms(FIELD);
      if (each != null) {
        TermsEnum names = each.iterator();
        for (BytesRef name = names.next(); name != null; name = names.next()) {
          all.add(name.utf8ToString());
        }
      }
    }
    try {
      all.parallelStream().forEach(this::decodedUnchecked);
    } catch (UncheckedIOException error) {
      throw error.getCause();
    }
  }

  private void decodedUnchecked(String token) {
    try {
      decoded(token);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
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
        most += (long) weights[place] * term.maxImpact();
        if (most >= INEXACT) {
          return null;
        }
        found[count] = term;
        weights[count++] = weights[place];
      } else if (isFull() && isThere(query.tokens[place])) {
        return null;
      }
    }
    return count == 0 ? new Hit[0] : search.top(found, weights, count, k, within, allowed);
  }

  /**
   * Searches for a query by its postings on disk.
   *
   * @return as for {@link #top}
   */
  Hit[] topFromDisk(ImpactQuery query, int k, FixedBitSet within, int allowed) throws IOException {
    int[] weights = query.weights();
    if (weights == null) {
      return null;
    }
    Postings[] found = new Postings[weights.length];
    int count = 0;
    for (int place = 0; place < weights.length; place++) {
      Postings term = StreamedTerm.open(reader.leaves(), FIELD, new BytesRef(query.tokens[place]), search.bits);
      if (term != null) {
        found[count] = term;
        weights[count++] = weights[place];
      }
    }
    Hit[] hits = count == 0 ? new Hit[0] : search.top(found, weights, count, k, within, allowed);
    long most = 0;
    for (int place = 0; place < count; place++) {
      most += (long) weights[place] * found[place].maxImpact();
    }
    return most < INEXACT ? hits : null; // where it is not, sums may even have overflowed
  }

  /** A term; null if no document has it, or there is no memory left. */
  private DecodedTerm decoded(String token) throws IOException {
    DecodedTerm term = terms.get(token);
    if (term == null && !isFull()) {
      DecodedTerm fresh = DecodedTerm.decode(reader.leaves(), FIELD, new BytesRef(token), search.bits, search.windows);
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
    if (!closed) { // a search may still be going on
      held.addAndGet(bytes);
      HELD_BY_ALL.addAndGet(bytes);
    }
  }
}
