package org.pensee;

import java.util.concurrent.CompletableFuture;

/** What a {@link Model} and a {@link Session} both do: they continue prompts. */
public sealed interface Generator permits Model, Session {
    /**
     * Begins a reply; its events are pulled from the stream.
     *
     * @param prompt  what to continue
     * @param options how
     * @return to be closed
     */
    Stream generate(Prompt prompt, Options options);

    /**
     * The whole reply.
     *
     * @param prompt  what to continue
     * @param options how
     * @return the reply; waits for it
     */
    Reply ask(Prompt prompt, Options options);

    /**
     * The whole reply; no thread of the caller waits.
     *
     * @param prompt  what to continue
     * @param options how
     * @return the reply to come; cancelling it, or completing it otherwise, stops the work
     */
    CompletableFuture<Reply> askAsync(Prompt prompt, Options options);

    /**
     * What replies to one prompt agree on.
     *
     * @param prompt      what to continue
     * @param options     how; its n is not looked at
     * @param voteOptions how the vote is held
     * @return the vote; waits for it
     */
    Vote vote(Prompt prompt, Options options, VoteOptions voteOptions);

    /**
     * The same; no thread of the caller waits.
     *
     * @param prompt      what to continue
     * @param options     how; its n is not looked at
     * @param voteOptions how the vote is held
     * @return the vote to come; cancelling it, or completing it otherwise, stops the work
     */
    CompletableFuture<Vote> voteAsync(Prompt prompt, Options options, VoteOptions voteOptions);

    /**
     * {@link #generate(Prompt, Options)} as the model recommends.
     *
     * @param prompt what to continue
     * @return to be closed
     */
    default Stream generate(Prompt prompt) {
        return generate(prompt, Options.DEFAULT);
    }

    /**
     * {@link #generate(Prompt, Options)} for a question, as the model recommends.
     *
     * @param question of a user
     * @return to be closed
     */
    default Stream generate(String question) {
        return generate(question, Options.DEFAULT);
    }

    /**
     * {@link #generate(Prompt, Options)} for a question.
     *
     * @param question of a user
     * @param options  how
     * @return to be closed
     */
    default Stream generate(String question, Options options) {
        return generate(Prompt.of(question), options);
    }

    /**
     * {@link #ask(Prompt, Options)} as the model recommends.
     *
     * @param prompt what to continue
     * @return the reply; waits for it
     */
    default Reply ask(Prompt prompt) {
        return ask(prompt, Options.DEFAULT);
    }

    /**
     * {@link #ask(Prompt, Options)} for a question, as the model recommends.
     *
     * @param question of a user
     * @return the reply; waits for it
     */
    default Reply ask(String question) {
        return ask(question, Options.DEFAULT);
    }

    /**
     * {@link #ask(Prompt, Options)} for a question.
     *
     * @param question of a user
     * @param options  how
     * @return the reply; waits for it
     */
    default Reply ask(String question, Options options) {
        return ask(Prompt.of(question), options);
    }

    /**
     * {@link #askAsync(Prompt, Options)} for a question, as the model recommends.
     *
     * @param question of a user
     * @return the reply to come
     */
    default CompletableFuture<Reply> askAsync(String question) {
        return askAsync(question, Options.DEFAULT);
    }

    /**
     * {@link #askAsync(Prompt, Options)} for a question.
     *
     * @param question of a user
     * @param options  how
     * @return the reply to come
     */
    default CompletableFuture<Reply> askAsync(String question, Options options) {
        return askAsync(Prompt.of(question), options);
    }
}
