package splade_lucene;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import org.apache.lucene.index.BinaryDocValues;
import org.apache.lucene.index.MultiDocValues;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.util.BytesRef;

/** Lucene's own search, with equal scores in the order of docids, also at the end of the hits. */
final class TopHits {
  /** One hit in so many is fetched beyond those asked for, and at least one, to see where the last one's ties end. */
  private static final int SPARE = 64;

  private TopHits() {}

  /** Searches for a query; best first. */
  static Hit[] search(IndexSearcher searcher, Query query, int k) throws IOException {
    Hit[] hits = named(searcher, fetch(searcher, query, k));
    Arrays.sort(hits, Hit.ORDER);
    return hits.length > k ? Arrays.copyOf(hits, k) : hits;
  }

  /** Lucene orders equal scores by document number: fetches until all hits that tie with the last one asked for are there. */
  private static ScoreDoc[] fetch(IndexSearcher searcher, Query query, int k) throws IOException {
    long wanted = k + (long) Math.max(1, k / SPARE);
    while (true) {
      int limit = (int) Math.min(wanted, Integer.MAX_VALUE);
      ScoreDoc[] found = searcher.search(query, limit).scoreDocs;
      if (found.length < limit || found[limit - 1].score < found[k - 1].score) {
        return found;
      }
      wanted *= 4;
    }
  }

  /** Hits with their docids, in the order of document numbers, in which Lucene's values are read. */
  private static Hit[] named(IndexSearcher searcher, ScoreDoc[] found) throws IOException {
    Arrays.sort(found, Comparator.comparingInt(hit -> hit.doc));
    BinaryDocValues docids = MultiDocValues.getBinaryValues(searcher.getIndexReader(), "id");
    Hit[] hits = new Hit[found.length];
    for (int place = 0; place < found.length; place++) {
      docids.advanceExact(found[place].doc);
      hits[place] = new Hit(BytesRef.deepCopyOf(docids.binaryValue()), found[place].score);
    }
    return hits;
  }
}
