package splade_lucene;

import java.util.Arrays;

/** The largest of many positive numbers: a buffer that is cut back to them whenever it is full. */
final class Selection {
  private static final int SMALLEST = 64;

  private long[] values = new long[SMALLEST];
  private int wanted;
  private int count;
  private long least;

  /** Starts anew, for the {@code wanted} largest. */
  void reset(int wanted) {
    this.wanted = wanted;
    count = 0;
    least = 0;
  }

  /** A number that is not among the largest, and none below it; 0 while nothing can be said. */
  long least() {
    return least;
  }

  /** Takes a number, if it is above {@link #least}. */
  void add(long value) {
    if (value <= least) {
      return;
    }
    if (count == values.length) {
      if (count < 2L * wanted && count < Integer.MAX_VALUE - 8) {
        values = Arrays.copyOf(values, (int) Math.min(2L * count, Integer.MAX_VALUE - 8));
      } else {
        cut();
        if (value <= least) {
          return;
        }
      }
    }
    values[count++] = value;
  }

  /** The largest, in falling order. */
  long[] sorted() {
    if (count > wanted) {
      cut();
    }
    long[] found = Arrays.copyOf(values, count);
    Arrays.sort(found);
    for (int low = 0, high = count - 1; low < high; low++, high--) {
      long kept = found[low];
      found[low] = found[high];
      found[high] = kept;
    }
    return found;
  }

  /** Moves the largest to the front and forgets the others: quickselect. */
  private void cut() {
    int low = 0;
    int high = count - 1;
    int last = wanted - 1;
    while (low < high) {
      long pivot = median(values[low], values[(low + high) >>> 1], values[high]);
      int left = low;
      int right = high;
      while (left <= right) {
        while (values[left] > pivot) {
          left++;
        }
        while (values[right] < pivot) {
          right--;
        }
        if (left <= right) {
          long kept = values[left];
          values[left++] = values[right];
          values[right--] = kept;
        }
      }
      if (last <= right) {
        high = right;
      } else if (last >= left) {
        low = left;
      } else {
        break;
      }
    }
    count = wanted;
    least = values[last];
  }

  private static long median(long a, long b, long c) {
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  }
}
