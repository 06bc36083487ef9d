package splade_lucene;

import java.util.function.Function;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.TermQuery;

/** An encoded query: a line of tokens and a line of their impacts, both separated by spaces; one without tokens finds nothing. */
final class ImpactQuery {
  static final Function<String, Query> PARSER = text -> new ImpactQuery(text).query();

  private static final String[] NONE = {};

  final String[] tokens;
  private final String[] impacts;

  ImpactQuery(String text) {
    int end = text.indexOf('\n');
    tokens = end == 0 ? NONE : text.substring(0, end).split(" ");
    impacts = end == 0 ? NONE : text.substring(end + 1).split(" ");
  }

  /** The impacts as integers; null if one is not, or is larger than Lucene's scores can hold. */
  int[] weights() {
    int[] weights = new int[impacts.length];
    for (int place = 0; place < weights.length; place++) {
      int weight = 0;
      String text = impacts[place];
      for (int digit = 0; digit < text.length(); digit++) {
        weight = 10 * weight + text.charAt(digit) - '0';
        if (text.charAt(digit) < '0' || text.charAt(digit) > '9' || weight > DecodedIndex.INEXACT) {
          return null;
        }
      }
      weights[place] = weight;
    }
    return weights;
  }

  /** The query for Lucene's own search. */
  Query query() {
    BooleanQuery.Builder query = new BooleanQuery.Builder();
    for (int place = 0; place < tokens.length; place++) {
      Query token = new TermQuery(new Term("contents", tokens[place]));
      query.add(new BoostQuery(token, Float.parseFloat(impacts[place])), BooleanClause.Occur.SHOULD);
    }
    return query.build();
  }
}
