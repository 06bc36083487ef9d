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
import org.apache.lucene.util.BytesRefBuilder;

/** A search from a query to docids and scores; equal scores come in the order of docids, also at the end of the hits. */
public final class TopHits {
  /** One hit in so many is fetched beyond those asked for, and at least one, to see where the last one's ties end. */
  private static final int SPARE = 64;

  private record Hit(BytesRef docid, float score) {}

  private TopHits() {}

  /**
   * Searches for a query.
   *
   * @return the docids, a line each, and the scores, best first
   */
  public static Object[] search(IndexSearcher searcher, Query query, int k) throws IOException {
    Hit[] hits = named(searcher, fetch(searcher, query, k));
    Arrays.sort(hits, Comparator.comparing(Hit::score, Comparator.reverseOrder()).thenComparing(Hit::docid));
    int count = Math.min(k, hits.length);
    BytesRefBuilder docids = new BytesRefBuilder();
    double[] scores = new double[count];
    for (int rank = 0; rank < count; rank++) {
      docids.append(hits[rank].docid);
      docids.append((byte) '\n');
      scores[rank] = hits[rank].score;
    }
    return new Object[] {docids.get().utf8ToString(), scores};
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
