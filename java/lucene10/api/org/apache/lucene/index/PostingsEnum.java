package org.apache.lucene.index;

import java.io.IOException;
import org.apache.lucene.search.DocAndFloatFeatureBuffer;
import org.apache.lucene.search.DocIdSetIterator;

/** What is called of Lucene 10.3's class, for the compiler only: Lucene 9 is what is there. */
public abstract class PostingsEnum extends DocIdSetIterator {
  public void nextPostings(int upTo, DocAndFloatFeatureBuffer buffer) throws IOException {
    throw new UnsupportedOperationException();
  }
}
