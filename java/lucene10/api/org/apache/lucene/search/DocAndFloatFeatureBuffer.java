package org.apache.lucene.search;

import org.apache.lucene.util.Bits;

/** What is used of Lucene 10.3's class, for the compiler only: Lucene 9 is what is there. */
public final class DocAndFloatFeatureBuffer {
  public int[] docs;
  public float[] features;
  public int size;

  public void apply(Bits liveDocs) {
    throw new UnsupportedOperationException();
  }
}
