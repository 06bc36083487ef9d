package splade_lucene;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/** The lines of files one after the other, as bytes of a buffer. */
final class LineReader {
  /** Holds the line from {@link #start} to {@link #end}, until the next one is read. */
  byte[] buffer = new byte[1 << 20];

  int start;
  int end;

  private final String[] files;
  private int opened;
  private InputStream stream;
  private int next; // where the next line begins
  private int filled;

  LineReader(String[] files) {
    this.files = files;
  }

  /** Goes to the next line; false after the last one. */
  boolean read() throws IOException {
    int searched = next;
    while (true) {
      for (int place = searched; place < filled; place++) {
        if (buffer[place] == '\n') {
          start = next;
          end = place;
          next = place + 1;
          return true;
        }
      }
      searched = filled;
      if (stream == null) {
        if (opened == files.length) {
          return false;
        }
        stream = new FileInputStream(files[opened++]);
      }
      if (next > 0) {
        System.arraycopy(buffer, next, buffer, 0, filled - next);
        searched -= next;
        filled -= next;
        next = 0;
      } else if (filled == buffer.length) {
        buffer = Arrays.copyOf(buffer, 2 * filled);
      }
      int count = stream.read(buffer, filled, buffer.length - filled);
      if (count < 0) {
        stream.close();
        stream = null;
        if (filled > 0) { // a last line without an end
          start = 0;
          end = filled;
          next = filled;
          return true;
        }
      } else {
        filled += count;
      }
    }
  }
}
