package org.pensee;

/** A program that closes nothing: a model, a session, and a stream that goes on, beside a question on its way. */
public final class Forgetful {
    private Forgetful() {
    }

    /** The model's path is the only argument. */
    public static void main(String[] arguments) {
        final Model model = new Model(arguments[0]);
        final Session session = model.newSession();
        session.generate("Hi", LifetimeTest.ENDLESS).next();
        model.askAsync("Hi", LifetimeTest.ENDLESS);
        System.out.println("bye");
    }
}
