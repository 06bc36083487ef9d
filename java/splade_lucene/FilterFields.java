package splade_lucene;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.InputMismatchException;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.DoublePoint;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.IndexableField;

/**
 * The fields of a passage by which searches are filtered, from its JSON object of fields.
 *
 * <p>A field in an object is named with a dot, {@code metadata.year}; one with an array of values has all of them.
 */
final class FilterFields {
  private static final int MAX_BYTES = 32_766; // of a term in Lucene
  private static final int MAX_DEPTH = 100;
  private static final Pattern NUMBER = Pattern.compile("-?(?:0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");

  private final Map<String, String> kinds = new HashMap<>();
  private List<IndexableField> last = List.of();
  private List<IndexableField> found;
  private String text;
  private int at;

  /** @param wanted names and kinds (text, int, float), separated by spaces: {@code lang text year int} */
  FilterFields(String wanted) {
    String[] words = wanted.isEmpty() ? new String[0] : wanted.split(" ");
    for (int place = 0; place < words.length; place += 2) {
      kinds.put(words[place], words[place + 1]);
    }
  }

  /** Puts the fields of an object, or of none, into a document, in the place of those from before. */
  void put(String object, Document document) {
    for (IndexableField field : last) {
      document.removeFields(field.name());
    }
    found = new ArrayList<>();
    if (object != null) {
      text = object;
      at = 0;
      readObject("", 0);
      if (at != text.length()) {
        throw otherForm();
      }
    }
    found.forEach(document::add);
    last = found;
  }

  private void readObject(String prefix, int depth) {
    expect('{');
    if (accept('}')) {
      return;
    }
    do {
      String name = readString();
      expect(':');
      readValue(kinds.isEmpty() ? name : prefix + name, depth);
    } while (accept(','));
    expect('}');
  }

  private void readValue(String name, int depth) {
    if (depth > MAX_DEPTH || at == text.length()) {
      throw otherForm();
    }
    switch (text.charAt(at)) {
      case '{' -> readObject(name + ".", depth + 1);
      case '[' -> {
        expect('[');
        if (!accept(']')) {
          do {
            readValue(name, depth + 1);
          } while (accept(','));
          expect(']');
        }
      }
      case '"' -> add(name, readString(), true, false);
      default -> readLiteral(name);
    }
  }

  private void readLiteral(String name) {
    for (String literal : new String[] {"true", "false", "null"}) {
      if (text.startsWith(literal, at)) {
        at += literal.length();
        if (!literal.equals("null")) {
          add(name, literal, true, false);
        }
        return;
      }
    }
    Matcher number = NUMBER.matcher(text).region(at, text.length());
    if (!number.lookingAt()) {
      throw otherForm();
    }
    at = number.end();
    add(name, number.group(), false, number.group(1) == null && number.group(2) == null);
  }

  private void add(String name, String value, boolean isText, boolean isInteger) {
    String kind = kinds.get(name);
    if (kind == null) {
      return;
    }
    try {
      switch (kind) {
        case "int" -> {
          if (!isInteger) {
            throw otherForm();
          }
          found.add(new LongPoint(name, Long.parseLong(value)));
        }
        case "float" -> {
          double number = isText ? Double.NaN : Double.parseDouble(value);
          if (!Double.isFinite(number)) {
            throw otherForm();
          }
          found.add(new DoublePoint(name, number));
        }
        default -> {
          if (value.getBytes(StandardCharsets.UTF_8).length > MAX_BYTES) {
            throw otherForm();
          }
          found.add(new StringField(name, value, Field.Store.NO));
        }
      }
    } catch (NumberFormatException error) {
      throw otherForm();
    }
  }

  private String readString() {
    expect('"');
    StringBuilder value = new StringBuilder();
    while (at < text.length()) {
      char character = text.charAt(at++);
      if (character == '"') {
        return value.toString();
      }
      if (character < ' ') {
        break;
      }
      value.append(character == '\\' ? readEscape() : character);
    }
    throw otherForm();
  }

  private char readEscape() {
    char character = at < text.length() ? text.charAt(at++) : 0;
    int place = "\"\\/bfnrt".indexOf(character);
    if (place >= 0) {
      return "\"\\/\b\f\n\r\t".charAt(place);
    }
    int code = 0;
    for (int digit = 0; digit < 4; digit++) {
      int value = character == 'u' && at < text.length() ? Character.digit(text.charAt(at++), 16) : -1;
      if (value < 0) {
        throw otherForm();
      }
      code = code << 4 | value;
    }
    if (code >= 0x80) { // encode writes such characters themselves
      throw otherForm();
    }
    return (char) code;
  }

  private void expect(char wanted) {
    if (!accept(wanted)) {
      throw otherForm();
    }
  }

  private boolean accept(char wanted) {
    boolean there = at < text.length() && text.charAt(at) == wanted;
    at += there ? 1 : 0;
    return there;
  }

  private static InputMismatchException otherForm() {
    return new InputMismatchException("the fields are not of the form that encode writes, or not of the kinds that the index has");
  }
}
