package splade_lucene;

import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.TermQuery;

/** Queries of impacts. */
public final class ImpactQuery {
  private ImpactQuery() {}

  /** A query from a line of tokens and a line of their impacts, both separated by spaces; one without tokens finds nothing. */
  public static Query parse(String text) {
    int end = text.indexOf('\n');
    String[] tokens = text.substring(0, end).split(" ");
    String[] impacts = text.substring(end + 1).split(" ");
    BooleanQuery.Builder query = new BooleanQuery.Builder();
    for (int place = 0; end > 0 && place < tokens.length; place++) {
      Query token = new TermQuery(new Term("contents", tokens[place]));
      query.add(new BoostQuery(token, Float.parseFloat(impacts[place])), BooleanClause.Occur.SHOULD);
    }
    return query.build();
  }
}
