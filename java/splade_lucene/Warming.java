package splade_lucene;

import java.io.IOException;
import java.nio.file.Path;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.Term;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.util.BytesRef;

/**
 * Searches an index for one of its terms in a thread of its own: Java loads its classes for that while Python does something else, and
 * the first query does not wait for them. What goes wrong here goes wrong again where somebody waits for an answer.
 */
final class Warming extends Thread {
  private final Path index;
  private final boolean impacts;

  Warming(Path index, boolean impacts) {
    super("warming");
    setDaemon(true);
    this.index = index;
    this.impacts = impacts;
  }

  @Override
  public void run() {
    try (DirectoryReader reader = DirectoryReader.open(FSDirectory.open(index))) {
      IndexSearcher searcher = new IndexSearcher(reader);
      for (LeafReaderContext leaf : reader.leaves()) {
        Terms terms = leaf.reader().terms("contents");
        TermsEnum each = terms == null ? null : terms.iterator();
        BytesRef term = each == null ? null : each.next();
        if (term != null) {
          search(searcher, term.utf8ToString());
          return;
        }
      }
    } catch (IOException | RuntimeException error) {
      // said by the search itself
    }
  }

  private void search(IndexSearcher searcher, String term) throws IOException {
    if (impacts) {
      Engine engine = new Engine(searcher, ImpactQuery.PARSER, Engine.Memory.WHEN_IT_PAYS, Long.MAX_VALUE);
      new HitSearch(engine, null).apply(term + "\n1", "10 1 0");
      engine.close();
    } else {
      searcher.search(new TermQuery(new Term("contents", term)), 10);
    }
  }
}
