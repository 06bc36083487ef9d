package splade_lucene;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiFunction;
import org.apache.lucene.util.BytesRefBuilder;

/**
 * Searches for any number of queries in one call.
 *
 * <p>Its first argument are texts of queries, separated by U+0001, which is in no token; its second {@code k threads passages}, where {@code passages} is 1 to
 * get documents by their best passage. It returns docids, a line each, all queries in one text, and an array with, for each query, the
 * number of hits, the nanoseconds that the search took, and the scores, best first.
 */
final class HitSearch implements BiFunction<String, String, Object[]> {
  private final Engine engine;
  private final Documents within;

  private static final class Found {
    Collection<Hit> hits;
    long nanoseconds;
  }

  /** @param within the documents that may be found; null for all */
  HitSearch(Engine engine, Documents within) {
    this.engine = engine;
    this.within = within;
  }

  @Override
  public Object[] apply(String queries, String options) {
    String[] numbers = options.split(" ");
    int k = Integer.parseInt(numbers[0]);
    int threads = Integer.parseInt(numbers[1]);
    boolean passages = numbers[2].equals("1");
    String[] texts = queries.split("\u0001", -1);
    Found[] found = new Found[texts.length];
    try {
      if (threads == 1 || texts.length == 1) {
        for (int place = 0; place < texts.length; place++) {
          found[place] = search(texts[place], k, passages);
        }
      } else {
        inThreads(Math.min(threads, texts.length), texts, k, passages, found);
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return packed(found);
  }

  private Found search(String text, int k, boolean passages) throws IOException {
    Found found = new Found();
    long start = System.nanoTime();
    found.hits = passages ? BestPassages.search(limit -> engine.search(text, limit, within), k) : List.of(engine.search(text, k, within));
    found.nanoseconds = System.nanoTime() - start;
    return found;
  }

  private void inThreads(int threads, String[] texts, int k, boolean passages, Found[] found) throws IOException {
    AtomicInteger next = new AtomicInteger();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    Runnable work =
        () -> {
          try {
            for (int place = next.getAndIncrement(); place < texts.length; place = next.getAndIncrement()) {
              found[place] = search(texts[place], k, passages);
            }
          } catch (Throwable error) {
            failure.compareAndSet(null, error);
            next.set(texts.length);
          }
        };
    List<Thread> others = new ArrayList<>();
    for (int number = 1; number < threads; number++) {
      Thread other = new Thread(work, "splade_lucene search");
      other.setDaemon(true);
      other.start();
      others.add(other);
    }
    work.run();
    for (Thread other : others) {
      boolean waiting = true;
      while (waiting) {
        try {
          other.join();
          waiting = false;
        } catch (InterruptedException error) {
          next.set(texts.length);
        }
      }
    }
    if (failure.get() instanceof IOException error) {
      throw error;
    }
    if (failure.get() instanceof Error error) {
      throw error;
    }
    if (failure.get() instanceof RuntimeException error) {
      throw error;
    }
  }

  private static Object[] packed(Found[] found) {
    int size = 0;
    for (Found each : found) {
      size = Math.addExact(size, 2 + each.hits.size());
    }
    double[] numbers = new double[size];
    BytesRefBuilder docids = new BytesRefBuilder();
    int place = 0;
    for (Found each : found) {
      numbers[place++] = each.hits.size();
      numbers[place++] = each.nanoseconds;
      for (Hit hit : each.hits) {
        docids.append(hit.docid());
        docids.append((byte) '\n');
        numbers[place++] = hit.score();
      }
    }
    return new Object[] {docids.get().utf8ToString(), numbers};
  }
}
