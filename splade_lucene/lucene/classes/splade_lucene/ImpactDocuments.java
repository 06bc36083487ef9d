package splade_lucene;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.InputMismatchException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.tokenattributes.BytesTermAttribute;
import org.apache.lucene.analysis.tokenattributes.TermFrequencyAttribute;
import org.apache.lucene.document.BinaryDocValuesField;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.document.StoredField;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.util.BytesRef;

/**
 * The documents of an impact index, read from JSONL files of vectors in the one form that {@code encode} writes:
 *
 * <pre>{"id":"d1","contents":"only if it was kept","vector":{"glass":243,"|":7}}</pre>
 *
 * A line of any other form, good or bad, ends it with an {@link InputMismatchException}: Python's reader knows them all, and says
 * what is wrong with a bad one. Vectors without tokens are passed over. It is always the same document, whose fields get new values.
 */
public final class ImpactDocuments implements Iterator<Document> {
  private static final int MAX_UNITS = 255; // of a token: Lucene's tokenizers split longer ones
  private static final int MAX_DIGITS = 8;
  private static final int MAX_IMPACT = 1 << 24; // from here on Lucene's scores are not exact

  private final LineReader lines;
  private final boolean checked;
  private final Document document = new Document();
  private final StringField id = new StringField("id", "", Field.Store.YES);
  private final BinaryDocValuesField docid = new BinaryDocValuesField("id", new BytesRef());
  private final StoredField raw;
  private boolean ready; // the document is one that next() has not returned yet
  private int at; // in the line that is being read

  // The tokens of the document, one after the other; where each of them ends; their impacts.
  private byte[] text = new byte[1 << 16];
  private int[] ends = new int[1 << 10];
  private int[] impacts = new int[1 << 10];
  private int textEnd;
  private int count;

  /**
   * @param files paths, separated by NUL
   * @param checked whether ids and tokens are known to be good: then only the form of lines is looked at
   * @param contents store the text of each passage
   */
  public ImpactDocuments(String files, boolean checked, boolean contents) {
    lines = new LineReader(files.split("\0"));
    this.checked = checked;
    FieldType type = new FieldType();
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS);
    type.setTokenized(true);
    type.setOmitNorms(true);
    type.freeze();
    document.add(id);
    document.add(docid);
    document.add(new Field("contents", new Tokens(), type));
    raw = contents ? new StoredField("raw", "") : null;
    if (contents) {
      document.add(raw);
    }
  }

  @Override
  public boolean hasNext() {
    try {
      while (!ready && lines.read()) {
        ready = lines.end > lines.start && readLine();
      }
      return ready;
    } catch (CharacterCodingException error) {
      throw otherForm();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  @Override
  public Document next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    ready = false;
    return document;
  }

  /** Reads a line into the document; whether it has any tokens. */
  private boolean readLine() throws CharacterCodingException {
    at = lines.start;
    expect("{\"id\":");
    int idStart = at;
    String name = readId();
    String idLiteral = raw == null ? null : decoded(lines.buffer, idStart, at);
    String contentsLiteral = null;
    if (accept(",\"contents\":")) {
      int contentsStart = at;
      textEnd = 0;
      readString();
      contentsLiteral = raw == null ? null : decoded(lines.buffer, contentsStart, at);
    }
    expect(",\"vector\":{");
    readVector();
    if (at != lines.end) {
      throw otherForm();
    }
    id.setStringValue(name);
    docid.setBytesValue(new BytesRef(name));
    if (raw != null) {
      if (contentsLiteral == null) {
        throw otherForm();
      }
      raw.setStringValue("{\"id\": " + idLiteral + ", \"contents\": " + contentsLiteral + "}"); // as Python's json.dumps has it
    }
    return count > 0;
  }

  private String readId() throws CharacterCodingException {
    textEnd = 0;
    boolean plain = readString();
    if (!checked && (!plain || textEnd == 0 || textEnd >= 1 << 13)) {
      throw otherForm();
    }
    for (int place = 0; !checked && place < textEnd; place++) {
      if (text[place] <= ' ' || text[place] == 0x7f) {
        throw otherForm();
      }
    }
    return decoded(text, 0, textEnd);
  }

  /** Reads tokens and impacts up to the end of the line's two objects. */
  private void readVector() throws CharacterCodingException {
    textEnd = 0;
    count = 0;
    long sum = 0;
    if (!accept("}}")) {
      do {
        if (count == ends.length) {
          ends = Arrays.copyOf(ends, 2 * count);
          impacts = Arrays.copyOf(impacts, 2 * count);
        }
        int start = textEnd;
        boolean plain = readString();
        if (!checked) {
          checkToken(start, plain);
        }
        expect(":");
        ends[count] = textEnd;
        impacts[count] = readImpact();
        sum += impacts[count++];
      } while (accept(","));
      expect("}}");
    }
    if (sum > Integer.MAX_VALUE) { // Lucene counts the length of a document in an int
      throw otherForm();
    }
  }

  /** Adds a JSON string to the text, decoded; whether it is of ASCII, without escapes. */
  private boolean readString() {
    expect("\"");
    byte[] buffer = lines.buffer;
    boolean plain = true;
    while (at < lines.end) {
      byte character = buffer[at++];
      if (character == '"') {
        return plain;
      }
      if (textEnd + 4 > text.length) {
        text = Arrays.copyOf(text, 2 * text.length);
      }
      if (character == '\\') {
        plain = false;
        readEscape();
      } else {
        if (character < ' ') {
          if (character >= 0) {
            break; // JSON has control characters escaped
          }
          plain = false;
        }
        text[textEnd++] = character;
      }
    }
    throw otherForm();
  }

  private void readEscape() {
    int character = at < lines.end ? lines.buffer[at++] : 0;
    int place = "\"\\/bfnrt".indexOf(character);
    if (place >= 0) {
      text[textEnd++] = (byte) "\"\\/\b\f\n\r\t".charAt(place);
      return;
    }
    int code = 0;
    for (int digit = 0; digit < 4; digit++) {
      int value = character == 'u' && at < lines.end ? Character.digit(lines.buffer[at++], 16) : -1;
      if (value < 0) {
        throw otherForm();
      }
      code = code << 4 | value;
    }
    if (code >= 0x80) { // encode writes such characters themselves
      throw otherForm();
    }
    text[textEnd++] = (byte) code;
  }

  /** Python's {@code is_token}: not empty, without white space, not too long. */
  private void checkToken(int start, boolean plain) throws CharacterCodingException {
    boolean good = textEnd > start;
    if (plain) {
      for (int place = start; place < textEnd; place++) {
        good &= text[place] > ' ';
      }
      good &= textEnd - start <= MAX_UNITS;
    } else {
      String token = decoded(text, start, textEnd);
      good &= token.length() <= MAX_UNITS && token.chars().noneMatch(ImpactDocuments::isSpace);
    }
    if (!good) {
      throw otherForm();
    }
  }

  /** What Python's {@code str.split} splits at, and the control characters, one of which separates tokens from impacts elsewhere. */
  private static boolean isSpace(int character) {
    return character <= ' ' || character == 0x85 || Character.isSpaceChar(character);
  }

  /** Reads an integer from 1. */
  private int readImpact() {
    int start = at;
    int impact = 0;
    while (at < lines.end && at - start < MAX_DIGITS && lines.buffer[at] >= '0' && lines.buffer[at] <= '9') {
      impact = 10 * impact + lines.buffer[at++] - '0';
    }
    if (impact == 0 || lines.buffer[start] == '0' || impact >= MAX_IMPACT) {
      throw otherForm();
    }
    return impact;
  }

  private void expect(String wanted) {
    if (!accept(wanted)) {
      throw otherForm();
    }
  }

  /** Goes past what stands next in the line, if it does. */
  private boolean accept(String wanted) {
    int length = wanted.length();
    if (lines.end - at < length) {
      return false;
    }
    for (int place = 0; place < length; place++) {
      if (lines.buffer[at + place] != wanted.charAt(place)) {
        return false;
      }
    }
    at += length;
    return true;
  }

  private static String decoded(byte[] bytes, int start, int end) throws CharacterCodingException {
    return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, start, end - start)).toString();
  }

  private static InputMismatchException otherForm() {
    return new InputMismatchException("a line is not of the form that encode writes");
  }

  /** The tokens of the document as terms, their impacts as term frequencies. */
  private final class Tokens extends TokenStream {
    private final BytesTermAttribute term = addAttribute(BytesTermAttribute.class);
    private final TermFrequencyAttribute frequency = addAttribute(TermFrequencyAttribute.class);
    private final BytesRef bytes = new BytesRef();
    private int next;

    @Override
    public void reset() {
      next = 0;
    }

    @Override
    public boolean incrementToken() {
      if (next == count) {
        return false;
      }
      clearAttributes();
      bytes.bytes = text;
      bytes.offset = next == 0 ? 0 : ends[next - 1];
      bytes.length = ends[next] - bytes.offset;
      term.setBytesRef(bytes);
      frequency.setTermFrequency(impacts[next++]);
      return true;
    }
  }
}
