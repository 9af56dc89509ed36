// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.fault.FaultException;
import org.chorale.proto.feed.BatchFraming;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.chorale.proto.message.CoordinatorCommand.FeedFailed;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.FeederCommand.DescribeData;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.message.WorkerCommand.FeedOpened;
import org.chorale.proto.message.WorkerCommand.FeedRefused;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FeederActorTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration QUIET = Duration.ofMillis(300);

    @TempDir
    Path folder;

    private final ActorTestKit kit = ActorTestKit.create(ConfigFactory.load());
    private final ActorRef<FeederCommand> feeder = kit.spawn(FeederActor.create());
    private final TestProbe<CoordinatorCommand> coordinator = kit.createTestProbe();
    private final TestProbe<CoordinatorCommand> atWork = kit.createTestProbe();
    private final ActorRef<CoordinatorCommand> ear = kit.spawn(ear());
    private final TestProbe<WorkerCommand> worker = kit.createTestProbe();
    private long feedsOpened;

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void theDataIsDescribed() throws IOException {
        feeder.tell(new DescribeData(3, 2, conf(rows(20), rows(5)), ear));
        DataDescribed described = coordinator.expectMessageClass(DataDescribed.class, PATIENCE);
        assertThat(described.generation()).isEqualTo(3);
        assertThat(described.feeder()).isEqualTo(2);
        assertThat(described.examples()).isEqualTo(20);
        assertThat(described.evaluationExamples()).isEqualTo(5);
        assertThat(described.tokenIds()).isEqualTo(900);
        assertThat(described.digest()).matches("[0-9a-f]{64}");
        assertThat(folder.resolve("run/index/train.idx")).exists();
        assertThat(folder.resolve("run/index/eval.idx")).exists();
    }

    @Test
    void theDigestChangesWithTheTokenizerAndWithTheData() throws IOException {
        String conf = conf(rows(5), "");
        String before = describe(1, conf).digest();
        assertThat(describe(2, conf).digest()).isEqualTo(before);
        String otherTokenizer = conf.replace(
                Tokenizers.byteLevel().toString(), Tokenizers.metaspace().toString());
        assertThat(describe(3, otherTokenizer).digest()).matches("[0-9a-f]{64}").isNotEqualTo(before);
        String otherRun = conf.replace(
                folder.resolve("run").toString(), folder.resolve("other").toString());
        Files.writeString(folder.resolve("train.jsonl"), rows(6));
        assertThat(describe(4, otherRun).digest()).isNotEqualTo(before);
    }

    @Test
    void aFeedStartsAfterAnyStepAndReplacesItsPredecessor() throws IOException {
        describe(1, conf(rows(50), ""));
        SinkQueueWithCancel<StepBatch> first = open(1, Feed.TRAIN, 0, 1, 0);
        List<StepBatch> all = receive(first, 40);
        assertThat(all).extracting(StepBatch::index).startsWith(1L, 2L, 3L).endsWith(40L);
        SinkQueueWithCancel<StepBatch> second = open(1, Feed.TRAIN, 0, 1, 25);
        assertThat(receive(second, 15)).isEqualTo(all.subList(25, 40));
        assertThat(rest(first)).as("what was on its way").hasSizeLessThan(40);
    }

    @Test
    void ranksHaveFeedsOfTheirOwn() throws IOException {
        describe(1, conf(rows(50), ""));
        SinkQueueWithCancel<StepBatch> first = open(1, Feed.TRAIN, 0, 2, 0);
        SinkQueueWithCancel<StepBatch> second = open(1, Feed.TRAIN, 1, 2, 0);
        StepBatch ofSecond = receive(second, 1).get(0); // while the first is not asked
        StepBatch ofFirst = receive(first, 1).get(0);
        assertThat(LongStream.concat(LongStream.of(ofFirst.samples()), LongStream.of(ofSecond.samples())))
                .hasSize(4)
                .doesNotHaveDuplicates();
    }

    /** Feeders in the places of one give what it gives: rank r is fed by feeder r mod their number. */
    @ParameterizedTest
    @CsvSource({
        "'packing = false', 1, 1",
        "'packing = false', 2, 1",
        "'packing = false', 3, 2",
        "'packing = false', 4, 2",
        "'packing = true', 2, 2",
        "'packing = true', 3, 1",
        "'packing = true', 4, 2",
        "'group-by-length = true', 2, 1",
        "'group-by-length = true', 3, 2",
        "'group-by-length = true', 4, 1"
    })
    void ranksTogetherSeeEveryExampleOfAnEpochOnceInTheSameOrder(String order, int worldSize, int feeders)
            throws IOException {
        String conf = conf(rows(50), "", "data { window = 16, " + order + " }");
        List<ActorRef<FeederCommand>> all = new ArrayList<>(List.of(feeder));
        while (all.size() < feeders) {
            all.add(kit.spawn(FeederActor.create()));
        }
        long steps = 0;
        for (ActorRef<FeederCommand> each : all) {
            each.tell(new DescribeData(1, 2, conf, ear));
            steps = coordinator
                    .expectMessageClass(DataDescribed.class, PATIENCE)
                    .steps();
        }
        List<List<StepBatch>> ranks = new ArrayList<>();
        for (int rank = 0; rank < worldSize; rank++) {
            ranks.add(receive(open(all.get(rank % feeders), 1, Feed.TRAIN, rank, worldSize, 0), (int) steps));
        }
        List<StepBatch> whole = receive(open(1, Feed.TRAIN, 0, 1, 0), (int) steps);
        for (int step = 0; step < steps; step++) {
            int at = step;
            assertThat(ranks.stream()
                            .flatMapToLong(rank -> LongStream.of(rank.get(at).samples())))
                    .as("step %d", step + 1)
                    .containsExactly(
                            LongStream.of(whole.get(step).samples()).boxed().toArray(Long[]::new));
            assertThat(ranks.stream()
                            .map(rank -> rank.get(at).microBatches().size())
                            .distinct())
                    .hasSize(1);
        }
        assertThat(whole.stream()
                        .flatMapToLong(batch -> LongStream.of(batch.samples()))
                        .sorted())
                .containsExactlyElementsOf(LongStream.range(0, 50).boxed().toList());
    }

    @Test
    void anEvaluationEndsAndCanBeOpenedAgain() throws IOException {
        describe(1, conf(rows(10), rows(5)));
        for (int time = 1; time <= 2; time++) {
            assertThat(rest(open(1, Feed.EVALUATION, 0, 1, 0)))
                    .extracting(StepBatch::last)
                    .containsExactly(false, false, true);
        }
    }

    @Test
    void staleGenerationsAreIgnoredAndANewOneEndsTheOldFeeds() throws IOException {
        String conf = conf(rows(50), "");
        describe(5, conf);
        feeder.tell(new OpenFeed(4, Feed.TRAIN, 1, 0, 1, 0, worker.getRef()));
        feeder.tell(new DescribeData(4, 2, conf, ear));
        worker.expectNoMessage(QUIET);
        coordinator.expectNoMessage(QUIET);

        SinkQueueWithCancel<StepBatch> old = open(5, Feed.TRAIN, 0, 1, 0);
        receive(old, 1);
        describe(6, conf);
        assertThat(rest(old)).as("what was on its way").hasSizeLessThan(40);
        assertThat(receive(open(6, Feed.TRAIN, 0, 1, 7), 1))
                .extracting(StepBatch::index)
                .containsExactly(8L);
    }

    @Test
    void aFeedThatNobodyPullsFromStops() throws IOException {
        describe(1, conf(rows(50), ""));
        SinkQueueWithCancel<StepBatch> unread = open(1, Feed.TRAIN, 0, 1, 0);
        receive(unread, 1);
        receive(open(1, Feed.TRAIN, 1, 2, 0), 2000); // a feed beside it may run far ahead
        describe(2, conf(rows(50), "")); // ends both
        // what its rank was sent ahead: at most a piece for each batch, then one in the queue and one being cut
        assertThat(rest(unread)).hasSizeLessThanOrEqualTo(BatchFraming.PIECES_IN_FLIGHT + 2);
    }

    @Test
    void onlyTheLastOfManyQuestionsIsAnswered() throws IOException {
        String conf = conf(rows(2000), "");
        for (long generation = 1; generation <= 5; generation++) {
            feeder.tell(new DescribeData(generation, 2, conf, ear));
        }
        assertThat(coordinator.expectMessageClass(DataDescribed.class, PATIENCE).generation())
                .isEqualTo(5);
        coordinator.expectNoMessage(QUIET);
    }

    @Test
    void dataThatCannotBeUsedIsTheCoordinatorsToHear() throws IOException {
        assertRefused(conf(rows(3) + "{\"text\": 7}\n", ""), FaultCode.DATA_MALFORMED, "train.jsonl:4: field text");
        assertRefused(conf("\n", ""), FaultCode.DATA_EMPTY, "data.train.path");
        assertRefused(
                RunConf.of("run.dir = /r", "model.path = " + folder, "data.train.path = /none.jsonl"),
                FaultCode.TOKENIZER_INVALID,
                folder.resolve("tokenizer.json").toString());
        assertRefused(RunConf.of("data.global-batch = 0"), FaultCode.CONFIG_INVALID, "data.global-batch = 0");
        describe(100, conf(rows(3), "")); // it lives
    }

    @Test
    void dataThatBreaksUnderARunEndsTheFeedAndSaysWhy() throws IOException {
        describe(1, conf(rows(50), ""));
        Files.writeString(folder.resolve("train.jsonl"), "");
        SinkQueueWithCancel<StepBatch> feed = open(1, Feed.TRAIN, 0, 1, 0);
        assertThatThrownBy(() -> receive(feed, 1))
                .cause()
                .isInstanceOfSatisfying(
                        FaultException.class,
                        broken -> assertThat(broken.fault().code()).isEqualTo(FaultCode.DATA_CHANGED))
                .hasMessageContainingAll("train.jsonl, byte ", "no longer what was indexed");
    }

    @Test
    void aFeedOfNothingIsRefused() throws IOException {
        assertThat(refused(Feed.TRAIN)).contains("TRAIN was asked for, but the data has not been described");
        describe(1, conf(rows(3), ""));
        assertThat(refused(Feed.EVALUATION)).contains("there are no held-out examples");
    }

    @Test
    void generatedDataIsWrittenBeforeItIsRead() {
        String conf = RunConf.of(
                "run.dir = " + folder.resolve("run"),
                "model.path = " + Tokenizers.byteLevel(),
                "data.generate { task = reverse-words, train-rows = 40, held-out-rows = 8 }");
        DataDescribed first = describe(1, conf);
        assertThat(first.examples()).isEqualTo(40);
        assertThat(first.evaluationExamples()).isEqualTo(8);
        assertThat(describe(2, conf).digest()).isEqualTo(first.digest());
        assertThat(receive(open(2, Feed.EVALUATION, 0, 1, 0), 1).get(0).samples())
                .containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
    }

    @Test
    void aStoppedFeederBreaksItsFeedsOff() throws IOException {
        describe(1, conf(rows(50), ""));
        SinkQueueWithCancel<StepBatch> feed = open(1, Feed.TRAIN, 0, 1, 0);
        receive(feed, 3);
        assertThat(openFiles()).isNotEmpty();
        kit.stop(feeder, PATIENCE);
        assertThatThrownBy(() -> rest(feed)).isInstanceOf(CompletionException.class);
        assertThat(openFiles()).isEmpty();
    }

    @Test
    void aFeederThatMakesAnIndexSaysThatItWorks() throws IOException {
        String conf = conf(rows(200_000), "").replace("30 minutes", "40 ms"); // run.progress-timeout
        feeder.tell(new DescribeData(3, 2, conf, ear));
        assertThat(atWork.expectMessageClass(StillWorking.class, PATIENCE).generation())
                .isEqualTo(3);
        coordinator.expectMessageClass(DataDescribed.class, PATIENCE);
        atWork.awaitAssert(PATIENCE, () -> {
            atWork.expectNoMessage(QUIET); // many times the interval
            return true;
        });
    }

    @Test
    void aFeederThatStopsWhileItReadsGivesItsIndexUp() throws IOException {
        feeder.tell(new DescribeData(1, 2, conf(rows(400_000), ""), ear));
        coordinator.awaitAssert(
                PATIENCE,
                Duration.ofMillis(10),
                () -> assertThat(folder.resolve("run/index")).isDirectory());
        kit.stop(feeder, PATIENCE);
        coordinator.awaitAssert(PATIENCE, () -> {
            assertThat(openFiles()).isEmpty();
            assertThat(folder.resolve("run/index")).isEmptyDirectory();
            return true;
        });
        coordinator.expectNoMessage(QUIET);
    }

    @Test
    void theDispatcherIsBoundedAndNoDefaultOfPekkoIsChanged() {
        Config config = ConfigFactory.load();
        assertThat(config.getString("chorale.tokenize-dispatcher.executor")).isEqualTo("thread-pool-executor");
        assertThat(config.getInt("chorale.tokenize-dispatcher.thread-pool-executor.core-pool-size-max"))
                .isEqualTo(8);
        Config ours = ConfigFactory.parseURL(FeederActor.class.getResource("/reference.conf"));
        assertThat(ours.root().keySet()).containsOnly("chorale");
    }

    /** A feeder may say at any time that it is at work: that is heard apart from what it has to tell. */
    private Behavior<CoordinatorCommand> ear() {
        return Behaviors.receiveMessage(message -> {
            (message instanceof StillWorking ? atWork : coordinator).ref().tell(message);
            return Behaviors.same();
        });
    }

    /** Files of this test that the process holds, as Linux lists them. */
    private List<Path> openFiles() throws IOException {
        List<Path> open = new ArrayList<>();
        try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path descriptor : descriptors) {
                Path file = target(descriptor);
                if (file.startsWith(folder)) {
                    open.add(file);
                }
            }
        }
        return open;
    }

    private static Path target(Path descriptor) throws IOException {
        try {
            return Files.readSymbolicLink(descriptor);
        } catch (NoSuchFileException e) {
            return descriptor; // closed meanwhile
        }
    }

    private void assertRefused(String conf, FaultCode code, String message) {
        feeder.tell(new DescribeData(1, 2, conf, ear));
        FeedFailed failed = coordinator.expectMessageClass(FeedFailed.class, PATIENCE);
        assertThat(failed.fault().code()).isEqualTo(code);
        assertThat(failed.fault().message()).contains(message);
    }

    private DataDescribed describe(long generation, String conf) {
        feeder.tell(new DescribeData(generation, 2, conf, ear));
        DataDescribed described = coordinator.expectMessageClass(DataDescribed.class, PATIENCE);
        assertThat(described.generation()).isEqualTo(generation);
        return described;
    }

    private SinkQueueWithCancel<StepBatch> open(long generation, Feed feed, int rank, int worldSize, long afterStep) {
        return open(feeder, generation, feed, rank, worldSize, afterStep);
    }

    private SinkQueueWithCancel<StepBatch> open(
            ActorRef<FeederCommand> from, long generation, Feed feed, int rank, int worldSize, long afterStep) {
        long number = ++feedsOpened;
        from.tell(new OpenFeed(generation, feed, number, rank, worldSize, afterStep, worker.getRef()));
        FeedOpened opened = worker.expectMessageClass(FeedOpened.class, PATIENCE);
        assertThat(opened.generation()).isEqualTo(generation);
        assertThat(opened.feed()).isEqualTo(feed);
        assertThat(opened.number()).isEqualTo(number);
        return BatchFraming.decode(opened.batches(), kit.system())
                .runWith(Sink.<StepBatch>queue().withAttributes(Attributes.inputBuffer(1, 1)), kit.system());
    }

    private String refused(Feed feed) {
        feeder.tell(new OpenFeed(1, feed, 1, 0, 1, 0, worker.getRef()));
        return worker.expectMessageClass(FeedRefused.class, PATIENCE).fault().message();
    }

    private static List<StepBatch> receive(SinkQueueWithCancel<StepBatch> feed, int batches) {
        return IntStream.range(0, batches)
                .mapToObj(i -> pull(feed).orElseThrow())
                .toList();
    }

    /** Until it ends. */
    private static List<StepBatch> rest(SinkQueueWithCancel<StepBatch> feed) {
        return Stream.generate(() -> pull(feed))
                .takeWhile(Optional::isPresent)
                .map(Optional::orElseThrow)
                .toList();
    }

    private static Optional<StepBatch> pull(SinkQueueWithCancel<StepBatch> feed) {
        return feed.pull().toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join();
    }

    /** A run on files with these contents; no evaluation where the second are empty. */
    private String conf(String train, String eval, String... more) throws IOException {
        Files.writeString(folder.resolve("train.jsonl"), train);
        Files.writeString(folder.resolve("eval.jsonl"), eval);
        return RunConf.of(
                "run.dir = " + folder.resolve("run"),
                "model.path = " + Tokenizers.byteLevel(),
                "data.train.path = " + folder.resolve("train.jsonl"),
                eval.isEmpty() ? "" : "data.eval.path = " + folder.resolve("eval.jsonl"),
                "data { global-batch = 4, micro-batch = 2, sequence-tokens = 32 }",
                String.join("\n", more));
    }

    private static String rows(int count) {
        return IntStream.range(0, count)
                .mapToObj("{\"prompt\": \"%1$d + 1 =\", \"completion\": \" %1$d and one\"}\n"::formatted)
                .collect(Collectors.joining());
    }
}
