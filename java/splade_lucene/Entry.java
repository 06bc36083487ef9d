package splade_lucene;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;

/**
 * All that Python calls here, by name and with named arguments: strings, numbers as strings, and objects.
 *
 * <p>The loader of these classes is not Java's own, so Python cannot name them. What it is given are proxies of Java's interfaces: a
 * function, or a {@link Supplier} of an object that it only keeps.
 */
public final class Entry {
  private Entry() {}

  /** Arguments by name: a class that Python can declare without asking Java for all methods of a map. */
  @SuppressWarnings("serial") // never saved
  public static final class Given extends HashMap<String, Object> {}

  /** Does what has a name. */
  public static Object call(String name, Map<String, Object> given) {
    try {
      return answer(name, given);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static Object answer(String name, Map<String, Object> given) throws IOException {
    return switch (name) {
      case "docids" -> Docids.all((IndexReader) given.get("reader"));
      case "some docids" -> Docids.some((IndexReader) given.get("reader"), Integer.parseInt(text(given, "most")));
      case "docids are unique" -> Docids.unique((IndexReader) given.get("reader")) ? 1 : 0;
      case "read documents" -> {
        boolean checked = flag(given, "checked");
        yield kept(new ImpactDocuments(text(given, "files"), checked, flag(given, "contents"), text(given, "filters")));
      }
      case "add documents" -> {
        ImpactDocuments documents = object(given, "documents");
        yield documents.addTo((IndexWriter) given.get("writer"), Integer.parseInt(text(given, "most"))) ? 1 : 0;
      }
      case "impact queries" -> shared(Function.class, ImpactQuery.PARSER);
      case "word queries" -> shared(Function.class, Words.parser(given.get("generator"), given.get("analyzer"), given.get("fields")));
      case "decoded bytes" -> Long.toString(DecodedIndex.size((IndexReader) given.get("reader")));
      case "heap" -> Runtime.getRuntime().maxMemory() + " " + DecodedIndex.heldByAll();
      case "open engine" -> kept(engine(given));
      case "load" -> {
        Engine engine = object(given, "engine");
        engine.load();
        yield null;
      }
      case "held bytes" -> {
        Engine engine = object(given, "engine");
        yield Long.toString(engine.held());
      }
      case "close engine" -> {
        Engine engine = object(given, "engine");
        engine.close();
        yield null;
      }
      case "restriction" -> {
        Engine engine = object(given, "engine");
        IndexReader reader = engine.searcher.getIndexReader();
        List<Query> all = new ArrayList<>();
        if (given.containsKey("docids")) {
          all.add(Documents.named(reader, text(given, "docids"), flag(given, "passages")));
        }
        if (given.containsKey("where")) {
          all.add(Where.query(text(given, "where")));
        }
        yield kept(new Documents(all));
      }
      case "documents" -> {
        Engine engine = object(given, "engine");
        Documents within = object(given, "within");
        within.bits(engine.searcher);
        yield Integer.toString(within.count());
      }
      case "search" -> {
        Engine engine = object(given, "engine");
        Documents within = given.containsKey("within") ? object(given, "within") : null;
        yield shared(BiFunction.class, new HitSearch(engine, within));
      }
      default -> throw new IllegalArgumentException(name);
    };
  }

  @SuppressWarnings("unchecked") // parsers are ours
  private static Engine engine(Map<String, Object> given) throws IOException {
    Function<String, Query> parser = (Function<String, Query>) given.get("parser");
    Engine.Memory memory = Engine.Memory.valueOf(text(given, "memory"));
    return new Engine((IndexSearcher) given.get("searcher"), parser, memory, Long.parseLong(text(given, "limit")));
  }

  private static Object shared(Class<?> kind, Object object) {
    return Proxy.newProxyInstance(
        null,
        new Class<?>[] {kind},
        (proxy, method, arguments) -> {
          try {
            return method.invoke(object, arguments);
          } catch (InvocationTargetException error) {
            throw error.getCause();
          }
        });
  }

  private static Object kept(Object object) {
    Supplier<Object> supplier = () -> object;
    return shared(Supplier.class, supplier);
  }

  @SuppressWarnings("unchecked") // kept by us
  private static <T> T object(Map<String, Object> given, String name) {
    return (T) ((Supplier<?>) given.get(name)).get();
  }

  private static String text(Map<String, Object> given, String name) {
    return (String) given.get(name);
  }

  private static boolean flag(Map<String, Object> given, String name) {
    return text(given, name).equals("1");
  }
}
