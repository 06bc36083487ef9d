package splade_lucene;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.InputMismatchException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.lucene.document.Document;
import org.apache.lucene.index.IndexWriter;

/**
 * The documents of an impact index, read from JSONL files of vectors in the one form that {@code encode} writes:
 *
 * <pre>{"id":"d1","contents":"only if it was kept","vector":{"glass":243,"|":7}}</pre>
 *
 * After the text there may be {@code "fields":} with an object.
 *
 * A line of any other form, good or bad, ends it with an {@link InputMismatchException}: Python's reader knows them all, and says
 * what is wrong with a bad one. Vectors without tokens are passed over. There are two documents, which are returned by turns.
 */
final class ImpactDocuments implements Iterator<Document> {
  private final LineReader lines;
  private ImpactDocument returned;
  private ImpactDocument coming; // Lucene asks whether there is another one before it has read the fields of the last
  private boolean ready;

  /**
   * @param files paths, separated by NUL
   * @param checked whether ids and tokens are known to be good: then only the form of lines is looked at
   * @param contents store the text of each passage
   * @param filters names and kinds of fields to filter by; see {@link FilterFields}
   */
  ImpactDocuments(String files, boolean checked, boolean contents, String filters) {
    lines = new LineReader(files.split("\0"));
    returned = new ImpactDocument(checked, contents, filters);
    coming = new ImpactDocument(checked, contents, filters);
  }

  @Override
  public boolean hasNext() {
    try {
      while (!ready && lines.read()) {
        ready = lines.end > lines.start && coming.read(lines.buffer, lines.start, lines.end);
      }
      return ready;
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  @Override
  public Document next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    ImpactDocument last = returned;
    returned = coming;
    coming = last;
    ready = false;
    return returned.document;
  }

  /** Adds some documents to an index; whether any are left. */
  boolean addTo(IndexWriter writer, int most) throws IOException {
    Iterable<Document> block =
        () ->
            new Iterator<>() {
              private int left = most;

              @Override
              public boolean hasNext() {
                return left > 0 && ImpactDocuments.this.hasNext();
              }

              @Override
              public Document next() {
                left--;
                return ImpactDocuments.this.next();
              }
            };
    writer.addDocuments(block);
    return hasNext();
  }
}
