// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.data;

import static org.assertj.core.api.Assertions.assertThat;

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
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.chorale.data.tokenizer.Tokenizers;
import org.chorale.proto.batch.Feed;
import org.chorale.proto.batch.StepBatch;
import org.chorale.proto.fault.FaultCode;
import org.chorale.proto.message.CoordinatorCommand;
import org.chorale.proto.message.CoordinatorCommand.DataDescribed;
import org.chorale.proto.message.CoordinatorCommand.FeedFailed;
import org.chorale.proto.message.CoordinatorCommand.StillWorking;
import org.chorale.proto.message.FeederCommand;
import org.chorale.proto.message.FeederCommand.Credit;
import org.chorale.proto.message.FeederCommand.DescribeData;
import org.chorale.proto.message.FeederCommand.OpenFeed;
import org.chorale.proto.message.WorkerCommand;
import org.chorale.proto.message.WorkerCommand.BatchReady;
import org.chorale.proto.message.WorkerCommand.FeedBroken;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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

    @AfterEach
    void stop() {
        kit.shutdownTestKit();
    }

    @Test
    void theDataIsDescribed() throws IOException {
        feeder.tell(new DescribeData(3, conf(rows(20), rows(5)), ear));
        DataDescribed described = coordinator.expectMessageClass(DataDescribed.class, PATIENCE);
        assertThat(described.generation()).isEqualTo(3);
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
    void nothingIsSentWithoutCreditAndNoMoreThanWasGiven() throws IOException {
        describe(1, conf(rows(50), ""));
        open(1, Feed.TRAIN, 0, 1, 0);
        worker.expectNoMessage(QUIET); // it is far ahead by now, but nobody asked
        credit(1, Feed.TRAIN, 0, 2);
        assertThat(receive(2)).extracting(StepBatch::index).containsExactly(1L, 2L);
        worker.expectNoMessage(QUIET);
        credit(1, Feed.TRAIN, 0, 1);
        credit(1, Feed.TRAIN, 0, 3);
        assertThat(receive(4)).extracting(StepBatch::index).containsExactly(3L, 4L, 5L, 6L);
        worker.expectNoMessage(QUIET);
    }

    @Test
    void aFeedStartsAfterAnyStepAndReplacesItsPredecessor() throws IOException {
        describe(1, conf(rows(50), ""));
        open(1, Feed.TRAIN, 0, 1, 0);
        credit(1, Feed.TRAIN, 0, 40);
        List<StepBatch> all = receive(40);
        open(1, Feed.TRAIN, 0, 1, 25);
        credit(1, Feed.TRAIN, 0, 15);
        assertThat(receive(15)).isEqualTo(all.subList(25, 40));
        worker.expectNoMessage(QUIET);
    }

    @Test
    void ranksHaveFeedsOfTheirOwn() throws IOException {
        describe(1, conf(rows(50), ""));
        TestProbe<WorkerCommand> other = kit.createTestProbe();
        open(1, Feed.TRAIN, 0, 2, 0);
        feeder.tell(new OpenFeed(1, Feed.TRAIN, 1, 2, 0, other.getRef()));
        credit(1, Feed.TRAIN, 1, 1);
        BatchReady second = other.expectMessageClass(BatchReady.class, PATIENCE);
        worker.expectNoMessage(QUIET);
        credit(1, Feed.TRAIN, 0, 1);
        List<Long> together = new ArrayList<>();
        for (StepBatch batch : List.of(receive(1).get(0), second.batch())) {
            for (long sample : batch.samples()) {
                together.add(sample);
            }
        }
        assertThat(together).hasSize(4).doesNotHaveDuplicates();
    }

    @Test
    void anEvaluationEndsAndCanBeOpenedAgain() throws IOException {
        describe(1, conf(rows(10), rows(5)));
        for (int time = 1; time <= 2; time++) {
            open(1, Feed.EVALUATION, 0, 1, 0);
            credit(1, Feed.EVALUATION, 0, 100);
            assertThat(receive(3)).extracting(StepBatch::last).containsExactly(false, false, true);
            worker.expectNoMessage(QUIET);
        }
    }

    @Test
    void staleGenerationsAreIgnoredAndANewOneEndsTheOldFeeds() throws IOException {
        String conf = conf(rows(50), "");
        describe(5, conf);
        open(4, Feed.TRAIN, 0, 1, 0);
        credit(4, Feed.TRAIN, 0, 1);
        worker.expectNoMessage(QUIET);
        open(5, Feed.TRAIN, 0, 1, 0);
        credit(4, Feed.TRAIN, 0, 1);
        worker.expectNoMessage(QUIET);
        feeder.tell(new DescribeData(4, conf, ear));
        coordinator.expectNoMessage(QUIET);

        describe(6, conf);
        credit(5, Feed.TRAIN, 0, 1);
        credit(6, Feed.TRAIN, 0, 1);
        worker.expectNoMessage(QUIET); // the feed ended with its generation
        open(6, Feed.TRAIN, 0, 1, 7);
        credit(6, Feed.TRAIN, 0, 1);
        BatchReady ready = worker.expectMessageClass(BatchReady.class, PATIENCE);
        assertThat(ready.generation()).isEqualTo(6);
        assertThat(ready.batch().index()).isEqualTo(8);
    }

    @Test
    void onlyTheLastOfManyQuestionsIsAnswered() throws IOException {
        String conf = conf(rows(2000), "");
        for (long generation = 1; generation <= 5; generation++) {
            feeder.tell(new DescribeData(generation, conf, ear));
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
    void dataThatBreaksUnderARunIsEveryonesToHear() throws IOException {
        describe(1, conf(rows(50), ""));
        Files.writeString(folder.resolve("train.jsonl"), "");
        open(1, Feed.TRAIN, 0, 1, 0);
        credit(1, Feed.TRAIN, 0, 1);
        FeedBroken broken = worker.expectMessageClass(FeedBroken.class, PATIENCE);
        assertThat(broken.fault().code()).isEqualTo(FaultCode.DATA_CHANGED);
        assertThat(broken.fault().message()).contains("train.jsonl, byte ").contains("no longer what was indexed");
        FeedFailed failed = coordinator.expectMessageClass(FeedFailed.class, PATIENCE);
        assertThat(failed.fault()).isEqualTo(broken.fault());
        credit(1, Feed.TRAIN, 0, 1);
        worker.expectNoMessage(QUIET);
    }

    @Test
    void aFeedOfNothingIsRefused() throws IOException {
        open(1, Feed.TRAIN, 0, 1, 0);
        assertThat(worker.expectMessageClass(FeedBroken.class, PATIENCE).fault().message())
                .contains("TRAIN was asked for, but the data has not been described");
        describe(1, conf(rows(3), ""));
        open(1, Feed.EVALUATION, 0, 1, 0);
        assertThat(worker.expectMessageClass(FeedBroken.class, PATIENCE).fault().message())
                .contains("there are no held-out examples");
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
        open(2, Feed.EVALUATION, 0, 1, 0);
        credit(2, Feed.EVALUATION, 0, 1);
        assertThat(receive(1).get(0).samples()).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
    }

    @Test
    void aStoppedFeederSendsNothingMore() throws IOException {
        describe(1, conf(rows(50), ""));
        open(1, Feed.TRAIN, 0, 1, 0);
        credit(1, Feed.TRAIN, 0, 3);
        receive(3);
        assertThat(openFiles()).isNotEmpty();
        kit.stop(feeder, PATIENCE);
        credit(1, Feed.TRAIN, 0, 3);
        worker.expectNoMessage(QUIET);
        assertThat(openFiles()).isEmpty();
    }

    @Test
    void aFeederThatMakesAnIndexSaysThatItWorks() throws IOException {
        String conf = conf(rows(200_000), "").replace("30 minutes", "40 ms"); // run.progress-timeout
        feeder.tell(new DescribeData(3, conf, ear));
        assertThat(atWork.expectMessageClass(StillWorking.class, PATIENCE).generation())
                .isEqualTo(3);
        coordinator.expectMessageClass(DataDescribed.class, PATIENCE);
        atWork.awaitAssert(PATIENCE, () -> {
            atWork.expectNoMessage(QUIET); // many times the interval
            return true;
        });
    }

    @Test
    void aFeederThatStopsWhileItReadsLeavesNothingOpen() throws IOException {
        feeder.tell(new DescribeData(1, conf(rows(100_000), ""), ear));
        coordinator.awaitAssert(
                PATIENCE,
                Duration.ofMillis(10),
                () -> assertThat(folder.resolve("run/index")).isDirectory());
        kit.stop(feeder, PATIENCE);
        Path index = folder.resolve("run/index/train.idx");
        coordinator.awaitAssert(PATIENCE, () -> {
            assertThat(index).exists(); // what was begun is ended,
            assertThat(openFiles()).isEmpty(); // and closed
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
        feeder.tell(new DescribeData(1, conf, ear));
        FeedFailed failed = coordinator.expectMessageClass(FeedFailed.class, PATIENCE);
        assertThat(failed.fault().code()).isEqualTo(code);
        assertThat(failed.fault().message()).contains(message);
    }

    private DataDescribed describe(long generation, String conf) {
        feeder.tell(new DescribeData(generation, conf, ear));
        DataDescribed described = coordinator.expectMessageClass(DataDescribed.class, PATIENCE);
        assertThat(described.generation()).isEqualTo(generation);
        return described;
    }

    private void open(long generation, Feed feed, int rank, int worldSize, long afterStep) {
        feeder.tell(new OpenFeed(generation, feed, rank, worldSize, afterStep, worker.getRef()));
    }

    private void credit(long generation, Feed feed, int rank, int batches) {
        feeder.tell(new Credit(generation, feed, rank, batches));
    }

    private List<StepBatch> receive(int batches) {
        return IntStream.range(0, batches)
                .mapToObj(i ->
                        worker.expectMessageClass(BatchReady.class, PATIENCE).batch())
                .toList();
    }

    /** A run on files with these contents; no evaluation where the second are empty. */
    private String conf(String train, String eval) throws IOException {
        Files.writeString(folder.resolve("train.jsonl"), train);
        Files.writeString(folder.resolve("eval.jsonl"), eval);
        return RunConf.of(
                "run.dir = " + folder.resolve("run"),
                "model.path = " + Tokenizers.byteLevel(),
                "data.train.path = " + folder.resolve("train.jsonl"),
                eval.isEmpty() ? "" : "data.eval.path = " + folder.resolve("eval.jsonl"),
                "data { global-batch = 4, micro-batch = 2, sequence-tokens = 32 }");
    }

    private static String rows(int count) {
        return IntStream.range(0, count)
                .mapToObj("{\"prompt\": \"%1$d + 1 =\", \"completion\": \" %1$d and one\"}\n"::formatted)
                .collect(Collectors.joining());
    }
}
