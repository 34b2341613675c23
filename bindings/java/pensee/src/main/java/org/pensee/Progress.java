package org.pensee;

/** Told how far a call is, on the thread that waits in it. */
@FunctionalInterface
public interface Progress {
    /**
     * Called now and then. What it throws cancels too, and arrives from the call.
     *
     * @param fraction from 0 to 1
     * @return false: cancel ({@link Status#CANCELLED})
     */
    boolean at(float fraction);
}
