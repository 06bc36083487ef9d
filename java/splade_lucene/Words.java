package splade_lucene;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Map;
import java.util.function.Function;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.search.Query;

/** Anserini's bags of words. Its classes are looked up when used: they are compiled for a newer Java than these. */
final class Words {
  private Words() {}

  /**
   * A function from a text to Lucene's query.
   *
   * @param generator Anserini's {@code BagOfWordsQueryGenerator}
   * @param fields the name of a field, or several with their weights
   */
  static Function<String, Query> parser(Object generator, Object analyzer, Object fields) {
    Class<?> kind = fields instanceof Map ? Map.class : String.class;
    Method build;
    try {
      build = generator.getClass().getMethod("buildQuery", kind, Analyzer.class, String.class);
    } catch (NoSuchMethodException error) {
      throw new IllegalStateException(error);
    }
    return text -> {
      try {
        return (Query) build.invoke(generator, fields, analyzer, text);
      } catch (InvocationTargetException error) {
        throw error.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(error.getCause());
      } catch (IllegalAccessException error) {
        throw new IllegalStateException(error);
      }
    };
  }
}
