package splade_lucene;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.MultiTerms;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreMode;
import org.apache.lucene.search.Scorer;
import org.apache.lucene.search.TermInSetQuery;
import org.apache.lucene.search.Weight;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRef;
import org.apache.lucene.util.FixedBitSet;
import org.apache.lucene.util.StringHelper;

/** The documents to which a search is restricted. */
final class Documents {
  final Query query;

  private FixedBitSet bits;
  private int count;

  /** Those that all queries find. */
  Documents(List<Query> all) {
    BooleanQuery.Builder query = new BooleanQuery.Builder();
    all.forEach(each -> query.add(each, BooleanClause.Occur.FILTER));
    this.query = query.build();
  }

  /**
   * Those with the docids in a text, a line each.
   *
   * @param passages all passages of these documents
   */
  static Query named(IndexReader reader, String docids, boolean passages) throws IOException {
    List<BytesRef> found = new ArrayList<>();
    Terms terms = passages ? MultiTerms.getTerms(reader, "id") : null;
    TermsEnum every = terms == null ? TermsEnum.EMPTY : terms.iterator();
    for (String docid : docids.split("\n")) {
      BytesRef document = new BytesRef(docid);
      found.add(document);
      BytesRef start = new BytesRef(docid + "#");
      boolean more = every.seekCeil(start) != TermsEnum.SeekStatus.END;
      for (BytesRef next = more ? every.term() : null; next != null && StringHelper.startsWith(next, start); next = every.next()) {
        if (BestPassages.document(next).equals(document)) {
          found.add(BytesRef.deepCopyOf(next));
        }
      }
    }
    return new TermInSetQuery("id", found);
  }

  /** As bits; found once. */
  synchronized FixedBitSet bits(IndexSearcher searcher) throws IOException {
    if (bits == null) {
      FixedBitSet found = new FixedBitSet(Math.max(1, searcher.getIndexReader().maxDoc()));
      Weight weight = searcher.createWeight(searcher.rewrite(query), ScoreMode.COMPLETE_NO_SCORES, 1f);
      for (LeafReaderContext leaf : searcher.getIndexReader().leaves()) {
        Scorer scorer = weight.scorer(leaf);
        Bits live = leaf.reader().getLiveDocs();
        DocIdSetIterator each = scorer == null ? DocIdSetIterator.empty() : scorer.iterator();
        for (int doc = each.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = each.nextDoc()) {
          if (live == null || live.get(doc)) {
            found.set(leaf.docBase + doc);
          }
        }
      }
      count = found.cardinality();
      bits = found;
    }
    return bits;
  }

  /** How many they are; after {@link #bits}. */
  synchronized int count() {
    return count;
  }
}
