// SPDX-License-Identifier: Apache-2.0
// Copyright the Chorale authors

package org.chorale.node.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.chorale.coordinator.directory.RunDirectory;
import org.chorale.model.ModelFolder;
import org.chorale.model.adapter.LoraConfig;
import org.chorale.proto.checkpoint.ManifestFile;
import org.chorale.proto.config.ConfigReader;
import org.chorale.proto.wire.CheckpointManifest;
import org.chorale.proto.wire.ShardFile;
import org.chorale.proto.wire.StoredTensor;
import org.chorale.tensor.Scalars;
import org.chorale.tensor.TensorScope;
import org.chorale.tensor.safetensors.ModelFiles;
import org.chorale.tensor.safetensors.SafetensorsWriter;
import org.chorale.tensor.safetensors.WrittenFile;
import org.chorale.training.checkpoint.ModelExport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code chorale export} of an adapter's folder, and of runs of one rank and of many. */
final class ExportTest {
    private final Shell shell = new Shell();

    @TempDir
    Path folder;

    /** An adapter begins with B = 0, so that its merged model is the base. */
    @BeforeEach
    void aModelAndAnAdapterThatHasLearnedNothing() throws IOException {
        Path drawn = Files.createDirectory(folder.resolve("drawn"));
        Files.writeString(drawn.resolve("config.json"), """
                {"model_type": "llama", "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
                """);
        try (ModelFolder model = ModelFolder.random(drawn, 1)) {
            ModelExport.of(model, drawn).writeModel(Optional.empty(), folder.resolve("model"));
        }
        Files.writeString(folder.resolve("model/tokenizer.json"), "{}");
        LoraConfig lora = LoraConfig.allLinear(2, 4);
        try (ModelFolder adapted =
                ModelFolder.pretrained(folder.resolve("model")).adapted(lora, 1)) {
            ModelExport.of(adapted, folder.resolve("model")).write(folder.resolve("adapter"));
        }
    }

    @ParameterizedTest
    @CsvSource({"export adapter merged --merge", "export adapter merged --merge --model model"})
    void anAdapterIsMergedIntoTheModelThatItNamesOrThatIsNamed(String command) {
        assertThat(run(command)).as(shell::err).isZero();
        assertThat(shell.out()).contains("wrote the model to " + folder.resolve("merged"));
        assertThat(folder.resolve("merged/model.safetensors"))
                .hasSameBinaryContentAs(folder.resolve("model/model.safetensors"));
        assertThat(folder.resolve("merged/tokenizer.json")).exists();
    }

    @Test
    void aModelThatIsNotHereIsAskedFor() throws IOException {
        Path config = folder.resolve("adapter/adapter_config.json");
        String named = folder.resolve("model").toString();
        assertThat(Files.readString(config)).contains(named);
        Files.writeString(config, Files.readString(config).replace(named, "meta-llama/Llama-9"));
        assertThat(run("export adapter merged --merge")).isEqualTo(2);
        assertThat(shell.err())
                .contains("base_model_name_or_path = meta-llama/Llama-9 is no folder here: name the model's folder")
                .contains("adapter_config.json");
        assertThat(folder.resolve("merged")).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            export adapter merged                       | adapter is an adapter: give --merge to write the model that it makes
            export adapter merged --merge --best        | --best is for runs
            export adapter merged --merge --model drawn | drawn: holds no weights
            export adapter merged --merge --dtype fp8   | Invalid value for option '--dtype'
            export adapter model --merge                | model exists already
            """)
    void whatCannotBeMeantIsRefused(String command, String message) {
        assertThat(run(command)).isEqualTo(2);
        assertThat(shell.err()).contains(message);
    }

    /** The weights are those of the model, and one more, in halves of rows. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aRunIsExportedHoweverManyRanksItHad(int ranks) throws IOException {
        commitCheckpoint(ranks);
        assertThat(run("export run out")).as(shell::err).isZero();
        assertThat(shell.out()).contains("wrote the model after step 3 to " + folder.resolve("out"));
        try (TensorScope scope = new TensorScope();
                ModelFiles base = ModelFiles.open(folder.resolve("model"));
                ModelFiles made = ModelFiles.open(folder.resolve("out"))) {
            assertThat(made.names())
                    .isEqualTo(base.names())
                    .allSatisfy(name -> assertThat(torch.equal(
                                    made.tensor(name), base.tensor(name).add(Scalars.of(1))))
                            .isTrue());
        }
    }

    @Test
    void aRunWithoutOneOfItsFilesIsRefusedByItsName() throws IOException {
        Files.delete(commitCheckpoint(2).resolve("rank-00001.safetensors"));
        assertThat(run("export run out")).isNotZero();
        assertThat(shell.err()).contains("rank-00001.safetensors is missing");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void anAdapterWithANameIsWrittenBesideItsNeighbours() throws IOException {
        commitCheckpoint(
                1, Map.of("model.adapter.type", "lora", "model.adapter.name", "mine", "model.adapter.dora", true));
        Path neighbour = Files.createDirectories(folder.resolve("out/other"));
        Files.copy(folder.resolve("adapter/adapter_config.json"), neighbour.resolve("adapter_config.json"));
        assertThat(run("export run out")).as(shell::err).isZero();
        assertThat(shell.out()).contains("wrote the model after step 3 to " + folder.resolve("out/mine"));
        assertThat(run("export run out")).isEqualTo(2);
        assertThat(shell.err()).contains("out/mine exists already");
        assertThat(neighbour).isDirectoryNotContaining("glob:**.safetensors");

        assertThat(run("inspect out --json")).isZero();
        JsonNode adapters = new JsonMapper().readTree(shell.out()).path("adapters");
        assertThat(adapters.at("/mine/config/use_dora").asBoolean()).isTrue();
        assertThat(adapters.at("/mine/tensors").size()).isEqualTo(3 * 7);
        assertThat(adapters.path("other").path("config").path("r").asInt()).isEqualTo(2);
        assertThat(run("inspect out")).isZero();
        assertThat(shell.out())
                .contains(
                        "adapter       mine",
                        "use_dora                  true",
                        "self_attn.q_proj.lora_magnitude_vector")
                .contains("adapter       other", "weights       none; adapter_model.safetensors is missing");

        assertThat(run("export out/mine merged --merge")).as(shell::err).isZero();
        assertThat(run("generate model --prompt x --adapter out")).isEqualTo(2);
        assertThat(shell.err()).contains("the folder has adapters in sub-folders; name one of mine, other");
    }

    private Path commitCheckpoint(int ranks) throws IOException {
        return commitCheckpoint(ranks, Map.of());
    }

    private Path commitCheckpoint(int ranks, Map<String, Object> keys) throws IOException {
        String conf = ConfigFactory.parseMap(keys)
                .withFallback(ConfigFactory.parseMap(Map.of(
                        "run.dir", folder.resolve("run").toString(),
                        "model.path", folder.resolve("model").toString(),
                        "data.generate.task", "reverse-words")))
                .withFallback(ConfigReader.defaults())
                .root()
                .render();
        try (RunDirectory run = RunDirectory.open(folder.resolve("run"), conf)) {
            long generation = run.claimGeneration("nobody");
            Path files = run.beginCheckpoint(3, generation, 1);
            CheckpointManifest.Builder manifest = CheckpointManifest.newBuilder()
                    .setFormatVersion(ManifestFile.FORMAT_VERSION)
                    .setGeneration(generation)
                    .setStep(3)
                    .setShardGroupSize(ranks)
                    .setWorldSize(ranks);
            for (int rank = 0; rank < ranks; rank++) {
                manifest.addFiles(writePart(files, rank, ranks));
            }
            return run.commit(manifest.build()).folder();
        }
    }

    private ShardFile writePart(Path files, int rank, int ranks) {
        ShardFile.Builder file = ShardFile.newBuilder().setRank(rank).setName("rank-%05d.safetensors".formatted(rank));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (TensorScope scope = new TensorScope();
                ModelFiles base = ModelFiles.open(folder.resolve("model"))) {
            for (String name : base.names()) {
                List<Long> shape = base.entry(name).shape();
                long from = shape.get(0) * rank / ranks;
                long rows = shape.get(0) * (rank + 1) / ranks - from;
                String key = ranks == 1 ? name : name + "@" + rank;
                tensors.put(key, base.tensor(name).narrow(0, from, rows).add(Scalars.of(1)));
                StoredTensor.Builder box = file.addTensorsBuilder()
                        .setKey(key)
                        .setParameter(name)
                        .setKind("weight")
                        .addAllShape(shape);
                for (int i = 0; i < shape.size(); i++) {
                    box.addOffset(i == 0 ? from : 0).addExtent(i == 0 ? rows : shape.get(i));
                }
            }
            WrittenFile written = SafetensorsWriter.write(files.resolve(file.getName()), tensors);
            return file.setBytes(written.bytes()).setSha256(written.sha256()).build();
        }
    }

    private int run(String command) {
        return shell.run(folder, command.split(" ", -1));
    }
}
