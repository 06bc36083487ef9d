package splade_lucene;

import org.apache.lucene.document.DoublePoint;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.MatchAllDocsQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TermRangeQuery;

/** Conditions on the fields of {@link FilterFields}. */
final class Where {
  private Where() {}

  /**
   * The query of conditions, all of which must hold.
   *
   * @param conditions separated by U+0002; in each, separated by U+0001, the name of a field, its kind (text, int, float), one of the
   *     operators =, !=, <, <=, >, >= and a value, for = and != also several, one of which the field must have, or none
   */
  static Query query(String conditions) {
    BooleanQuery.Builder all = new BooleanQuery.Builder();
    all.add(new MatchAllDocsQuery(), BooleanClause.Occur.FILTER);
    for (String condition : conditions.split("\u0002")) {
      String[] parts = condition.split("\u0001", -1);
      String operator = parts[2];
      BooleanQuery.Builder any = new BooleanQuery.Builder();
      for (int place = 3; place < parts.length; place++) {
        any.add(one(parts[0], parts[1], operator.equals("!=") ? "=" : operator, parts[place]), BooleanClause.Occur.SHOULD);
      }
      all.add(any.build(), operator.equals("!=") ? BooleanClause.Occur.MUST_NOT : BooleanClause.Occur.FILTER);
    }
    return all.build();
  }

  private static Query one(String field, String kind, String operator, String value) {
    return switch (kind) {
      case "int" -> whole(field, operator, Long.parseLong(value));
      case "float" -> real(field, operator, Double.parseDouble(value));
      default -> text(field, operator, value);
    };
  }

  private static Query whole(String field, String operator, long value) {
    boolean out = operator.equals("<") && value == Long.MIN_VALUE || operator.equals(">") && value == Long.MAX_VALUE;
    return out
        ? new BooleanQuery.Builder().build() // there is no smaller number, or larger one
        : switch (operator) {
          case "<" -> LongPoint.newRangeQuery(field, Long.MIN_VALUE, value - 1);
          case "<=" -> LongPoint.newRangeQuery(field, Long.MIN_VALUE, value);
          case ">" -> LongPoint.newRangeQuery(field, value + 1, Long.MAX_VALUE);
          case ">=" -> LongPoint.newRangeQuery(field, value, Long.MAX_VALUE);
          default -> LongPoint.newExactQuery(field, value);
        };
  }

  private static Query real(String field, String operator, double value) {
    double given = value == 0 ? 0.0 : value; // Lucene orders -0.0 before 0.0
    return switch (operator) {
      case "<" -> DoublePoint.newRangeQuery(field, Double.NEGATIVE_INFINITY, DoublePoint.nextDown(value == 0 ? -0.0 : given));
      case "<=" -> DoublePoint.newRangeQuery(field, Double.NEGATIVE_INFINITY, given);
      case ">" -> DoublePoint.newRangeQuery(field, DoublePoint.nextUp(given), Double.POSITIVE_INFINITY);
      case ">=" -> DoublePoint.newRangeQuery(field, value == 0 ? -0.0 : given, Double.POSITIVE_INFINITY);
      default -> DoublePoint.newRangeQuery(field, value == 0 ? -0.0 : given, given);
    };
  }

  private static Query text(String field, String operator, String value) {
    return switch (operator) {
      case "<" -> TermRangeQuery.newStringRange(field, null, value, true, false);
      case "<=" -> TermRangeQuery.newStringRange(field, null, value, true, true);
      case ">" -> TermRangeQuery.newStringRange(field, value, null, false, true);
      case ">=" -> TermRangeQuery.newStringRange(field, value, null, true, true);
      default -> new TermQuery(new Term(field, value));
    };
  }
}
