package splade_lucene;

import java.io.IOException;
import java.util.function.Function;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.store.AlreadyClosedException;
import org.apache.lucene.util.FixedBitSet;

/** Answers a query: from memory where the index is decoded, else by Lucene's own search. The hits are the same. */
final class Engine {
  /** Whether an index is decoded. */
  enum Memory {
    ALWAYS,
    NEVER,
    /** Only the docids, once that pays. */
    DOCIDS,
    /** Once searching from disk has taken as long as decoding would. */
    WHEN_IT_PAYS
  }

  /** Nanoseconds that opening an index in memory takes for each document. */
  private static final long PRICE = 500;

  final IndexSearcher searcher;

  private final Function<String, Query> parser;
  private volatile Memory memory;
  private final long limit;
  private DecodedIndex decoded;
  private long spent; // nanoseconds of searches from disk

  /**
   * @param parser makes Lucene's query of a text
   * @param limit the bytes that decoded indexes may take up
   */
  Engine(IndexSearcher searcher, Function<String, Query> parser, Memory memory, long limit) throws IOException {
    this.searcher = searcher;
    this.parser = parser;
    boolean fits = DecodedIndex.docidBytes(searcher.getIndexReader()) < limit;
    this.memory = memory == Memory.DOCIDS && !fits ? Memory.NEVER : memory;
    this.limit = limit;
    if (memory == Memory.ALWAYS) {
      decoded = new DecodedIndex(searcher.getIndexReader(), limit);
    }
  }

  /** Searches for a query; best first. */
  Hit[] search(String text, int k, Documents within) throws IOException {
    DecodedIndex decoded = decoded();
    if (decoded != null) {
      FixedBitSet bits = within == null ? null : within.bits(searcher);
      int allowed = within == null ? 0 : within.count();
      ImpactQuery query = new ImpactQuery(text);
      Hit[] hits = memory == Memory.DOCIDS ? null : decoded.top(query, k, bits, allowed);
      if (hits == null) {
        hits = decoded.topFromDisk(query, k, bits, allowed);
      }
      if (hits != null) {
        return hits;
      }
    }
    long start = System.nanoTime();
    Query query = parser.apply(text);
    if (within != null) {
      query = new BooleanQuery.Builder().add(query, BooleanClause.Occur.MUST).add(within.query, BooleanClause.Occur.FILTER).build();
    }
    Hit[] hits = TopHits.search(searcher, query, k);
    spend(System.nanoTime() - start);
    return hits;
  }

  /** Decodes all of the index now. */
  void load() throws IOException {
    DecodedIndex index = memory == Memory.ALWAYS || memory == Memory.WHEN_IT_PAYS ? opened() : null;
    if (index != null) {
      index.decodeAll();
    }
  }

  /** The bytes that the decoded index takes up now; -1 while there is none. */
  synchronized long held() {
    return decoded == null ? -1 : decoded.held();
  }

  synchronized void close() {
    if (decoded != null) {
      decoded.close();
    }
  }

  private synchronized DecodedIndex decoded() throws IOException {
    IndexReader reader = searcher.getIndexReader();
    if (reader.getRefCount() < 1) {
      throw new AlreadyClosedException("the index is closed");
    }
    return memory != Memory.NEVER && decoded == null && spent > PRICE * reader.maxDoc() ? opened() : decoded;
  }

  private synchronized DecodedIndex opened() throws IOException {
    if (decoded == null) {
      try {
        decoded = new DecodedIndex(searcher.getIndexReader(), limit);
      } catch (ArithmeticException error) {
        memory = Memory.NEVER; // more than can be held: Lucene answers
      }
    }
    return decoded;
  }

  private synchronized void spend(long nanoseconds) {
    spent += nanoseconds;
  }
}
