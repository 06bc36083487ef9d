package splade_lucene;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.InputMismatchException;
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

/** A document of an impact index, whose fields get the values of one line after the other; see {@link ImpactDocuments}. */
final class ImpactDocument {
  private static final int MAX_UNITS = 255; // of a token: Lucene's tokenizers split longer ones
  private static final int MAX_DIGITS = 8;
  private static final int MAX_IMPACT = 1 << 24; // from here on Lucene's scores are not exact

  final Document document = new Document();

  private final boolean checked;
  private final StringField id = new StringField("id", "", Field.Store.YES);
  private final BinaryDocValuesField docid = new BinaryDocValuesField("id", new BytesRef());
  private final StoredField raw;
  private final FilterFields filters;

  // The line that is being read.
  private byte[] line;
  private int at;
  private int lineEnd;

  // The tokens of the document, one after the other; where each of them ends; their impacts.
  private byte[] text = new byte[1 << 16];
  private int[] ends = new int[1 << 10];
  private int[] impacts = new int[1 << 10];
  private int textEnd;
  private int count;

  /** The parameters are those of {@link ImpactDocuments}. */
  ImpactDocument(boolean checked, boolean contents, String filters) {
    this.checked = checked;
    this.filters = new FilterFields(filters);
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

  /** Takes the values of a line; whether it has any tokens. */
  boolean read(byte[] buffer, int start, int end) {
    line = buffer;
    at = start;
    lineEnd = end;
    try {
      readLine();
    } catch (CharacterCodingException error) {
      throw otherForm();
    }
    return count > 0;
  }

  private void readLine() throws CharacterCodingException {
    expect("{\"id\":");
    int idStart = at;
    String name = readId();
    String idLiteral = raw == null ? null : decoded(line, idStart, at);
    String contentsLiteral = null;
    String fieldsLiteral = null;
    if (accept(",\"contents\":")) {
      int contentsStart = at;
      textEnd = 0;
      readString();
      contentsLiteral = raw == null ? null : decoded(line, contentsStart, at);
      if (accept(",\"fields\":")) {
        int fieldsStart = at;
        passObject();
        fieldsLiteral = decoded(line, fieldsStart, at);
      }
    }
    filters.put(fieldsLiteral, document);
    expect(",\"vector\":{");
    readVector();
    if (at != lineEnd) {
      throw otherForm();
    }
    id.setStringValue(name);
    docid.setBytesValue(new BytesRef(name));
    if (raw != null) {
      if (contentsLiteral == null) {
        throw otherForm();
      }
      String others = fieldsLiteral == null || fieldsLiteral.equals("{}") ? "}" : ", " + fieldsLiteral.substring(1);
      raw.setStringValue("{\"id\": " + idLiteral + ", \"contents\": " + contentsLiteral + others); // as Python's json.dumps has it
    }
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
    boolean plain = true;
    while (at < lineEnd) {
      byte character = line[at++];
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
    int character = at < lineEnd ? line[at++] : 0;
    int place = "\"\\/bfnrt".indexOf(character);
    if (place >= 0) {
      text[textEnd++] = (byte) "\"\\/\b\f\n\r\t".charAt(place);
      return;
    }
    int code = 0;
    for (int digit = 0; digit < 4; digit++) {
      int value = character == 'u' && at < lineEnd ? Character.digit(line[at++], 16) : -1;
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
      good &= token.length() <= MAX_UNITS && token.chars().noneMatch(ImpactDocument::isSpace);
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
    while (at < lineEnd && at - start < MAX_DIGITS && line[at] >= '0' && line[at] <= '9') {
      impact = 10 * impact + line[at++] - '0';
    }
    if (impact == 0 || line[start] == '0' || impact >= MAX_IMPACT) {
      throw otherForm();
    }
    return impact;
  }

  /** Goes past an object; what it holds is looked at later. */
  private void passObject() {
    int depth = 0;
    boolean inString = false;
    do {
      byte character = at < lineEnd ? line[at++] : 0;
      if (inString) {
        inString = character != '"';
        at += character == '\\' ? 1 : 0;
      } else if (character == '"') {
        inString = true;
      } else {
        depth += character == '{' ? 1 : character == '}' ? -1 : 0;
      }
    } while (at < lineEnd && (depth > 0 || inString));
    if (depth > 0 || inString || at > lineEnd) {
      throw otherForm();
    }
  }

  private void expect(String wanted) {
    if (!accept(wanted)) {
      throw otherForm();
    }
  }

  /** Goes past what stands next in the line, if it does. */
  private boolean accept(String wanted) {
    int length = wanted.length();
    if (lineEnd - at < length) {
      return false;
    }
    for (int place = 0; place < length; place++) {
      if (line[at + place] != wanted.charAt(place)) {
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
