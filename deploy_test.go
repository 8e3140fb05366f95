package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// manifest is one object of a file, as JSON has it.
type manifest map[string]any

// manifests reads the objects of the files for Kubernetes, by file and number.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	files, err := filepath.Glob("testdata/deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := make(map[string]manifest)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		decode := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField())
		for i := 1; ; i++ {
			var v any
			if err := decode.Decode(&v); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var m manifest
			if err := json.Unmarshal(text, &m); err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprintf("%s %d %v", filepath.Base(name), i, m["kind"])] = m
		}
	}
	return all
}

// kubernetes is the schema of what Kubernetes takes.
func kubernetes(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/deploy/kubernetes.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:kubernetes", v); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("urn:kubernetes")
}

// TestManifests holds the manifests against the types of Kubernetes, and holds that a field with
// a name, or a value of a kind, that it does not know is found.
func TestManifests(t *testing.T) {
	t.Parallel()
	schema := kubernetes(t)
	for name, m := range manifests(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := schema.Validate(map[string]any(m)); err != nil {
				t.Fatal(err)
			}
			misspell(t, schema, m, m, "")
		})
	}
}

// freeKeys matches the maps whose keys are anybody's.
var freeKeys = regexp.MustCompile(`/(labels|annotations|matchLabels|selector|nodeSelector|data|requests|limits|hard)$`)

// misspell changes each name of a field below v in turn, and expects the whole to be refused.
func misspell(t *testing.T, schema *jsonschema.Schema, whole manifest, v any, path string) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			misspell(t, schema, whole, e, fmt.Sprintf("%s/%d", path, i))
		}
	case manifest:
		misspell(t, schema, whole, map[string]any(v), path)
	case map[string]any:
		for key, value := range v {
			misspell(t, schema, whole, value, path+"/"+key)
			if _, isMap := value.(map[string]any); freeKeys.MatchString(path) && !isMap {
				continue
			}
			delete(v, key)
			v[key+"x"] = value
			if schema.Validate(map[string]any(whole)) == nil {
				t.Errorf("%s/%sx is taken", path, key)
			}
			delete(v, key+"x")
			v[key] = value
		}
	}
}

// podOf is the template of an object's pods; nil without.
func (m manifest) podOf() manifest {
	spec, _ := m["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	return pod
}

func (m manifest) containers() (all []manifest) {
	list, _ := m["containers"].([]any)
	for _, c := range list {
		all = append(all, c.(map[string]any))
	}
	return all
}

// env has the variables of a container; those with another source than a value are "here".
func (m manifest) env() map[string]string {
	all := make(map[string]string)
	list, _ := m["env"].([]any)
	for _, e := range list {
		v := e.(map[string]any)
		all[v["name"].(string)] = "here"
		if value, ok := v["value"].(string); ok {
			all[v["name"].(string)] = value
		}
	}
	return all
}

// TestLeastPrivilege holds that pods have no more rights than they use.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	for name, m := range manifests(t) {
		pod := m.podOf()
		if pod == nil {
			continue
		}
		security := dig(pod, "securityContext")
		if dig(security, "seccompProfile")["type"] != "RuntimeDefault" {
			t.Errorf("%s: no seccomp profile", name)
		}
		if pod["automountServiceAccountToken"] != false {
			t.Errorf("%s has a token of the cluster", name)
		}
		for _, c := range pod.containers() {
			own := dig(c, "securityContext")
			if own["allowPrivilegeEscalation"] != false || own["readOnlyRootFilesystem"] != true || own["privileged"] != nil {
				t.Errorf("%s: %v", name, own)
			}
			capabilities := dig(own, "capabilities")
			if fmt.Sprint(capabilities["drop"]) != "[ALL]" {
				t.Errorf("%s keeps capabilities: %v", name, capabilities)
			}
			switch added := fmt.Sprint(capabilities["add"]); {
			case added == "<nil>" && security["runAsNonRoot"] != true:
				t.Errorf("%s runs as root for no capability", name)
			case added != "<nil>" && added != "[NET_RAW]":
				t.Errorf("%s has %s", name, added)
			}
			limits := dig(dig(c, "resources"), "limits")
			if limits["memory"] == nil || limits["cpu"] == nil {
				t.Errorf("%s has no limits", name)
			}
		}
	}
}

func dig(m map[string]any, key string) map[string]any {
	v, _ := m[key].(map[string]any)
	return v
}

// isOurs reports whether a container is of onmux's image.
func (m manifest) isOurs() bool { return strings.HasPrefix(m["image"].(string), "onmux:") }

// args are the arguments of a container, with its variables.
func (m manifest) args(env map[string]string) (args []string) {
	for _, a := range m["args"].([]any) {
		args = append(args, os.Expand(strings.NewReplacer("$(", "${", ")", "}").Replace(a.(string)),
			func(name string) string { return env[name] }))
	}
	return args
}

// TestShardsOfManifests plans the scan of each pod of an Indexed Job as the pod would, and holds
// that the shards are all there and that what is merged is what they write.
func TestShardsOfManifests(t *testing.T) {
	all := manifests(t)
	dir := t.TempDir()
	var job manifest
	for name, m := range all {
		if strings.HasPrefix(name, "shards.yaml") && m["kind"] == "ConfigMap" {
			for file, text := range dig(m, "data") {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text.(string)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if strings.HasPrefix(name, "shards.yaml") && m["kind"] == "Job" {
			job = m
		}
	}
	c := job.podOf().containers()[0]
	total := dig(job, "spec")["completions"].(float64)
	var written []string
	for i := range int(total) {
		env := c.env()
		env["JOB_COMPLETION_INDEX"] = fmt.Sprint(i)
		for name, value := range env {
			t.Setenv(name, value)
		}
		args := c.args(env)
		for i, a := range args {
			args[i] = strings.Replace(a, "/targets/", dir+"/", 1)
			if file, ok := strings.CutPrefix(a, "--output=jsonl="); ok {
				written, args[i] = append(written, file), "--output=text"
			}
		}
		var out, problems bytes.Buffer
		if code := run(append(args, "--dry-run"), strings.NewReader(""), &out, &problems); code != 0 {
			t.Fatalf("%q ends with %d: %s", args, code, problems.String())
		}
		if want := fmt.Sprintf("shard %d of %v probes", i+1, total); !strings.Contains(out.String(), want) {
			t.Errorf("pod %d does not probe %q: %s", i, want, out.String())
		}
	}
	for name, m := range all {
		if !strings.HasPrefix(name, "merge.yaml") {
			continue
		}
		var merged []string
		for _, a := range m.podOf().containers()[0].args(nil)[1:] {
			if !strings.HasPrefix(a, "--") {
				merged = append(merged, a)
			}
		}
		if !slices.Equal(merged, written) {
			t.Errorf("the shards are %q, and %q are merged", written, merged)
		}
	}
}

// TestCommandsOfManifests holds that every command in the files to deploy exists, with its flags.
func TestCommandsOfManifests(t *testing.T) {
	t.Parallel()
	lines := make(map[string][]string)
	for name, m := range manifests(t) {
		for _, c := range m.podOf().containers() {
			if c.isOurs() {
				lines[name] = c.args(c.env())
			}
		}
	}
	for _, name := range []string{"slurm/scan.sbatch", "systemd/onmux-work.service"} {
		text, err := os.ReadFile("testdata/deploy/" + name)
		joined := strings.ReplaceAll(string(text), "\\\n", " ")
		line := regexp.MustCompile(`(?m)^(?:exec |ExecStart=/usr/bin/)onmux (.*)$`).FindStringSubmatch(joined)
		if err != nil || line == nil {
			t.Fatalf("%s has no command of onmux: %v", name, err)
		}
		lines[name] = strings.Fields(line[1])
	}
	for name, args := range lines {
		app := newApp(commandsFor(args), nil, io.Discard, io.Discard)
		if _, err := reorder(app, args); err != nil {
			t.Errorf("%s: onmux %q: %v", name, args, err)
		}
	}
}

// TestSlurmScript runs the script as a task of an array, with the variables that Slurm gives it.
func TestSlurmScript(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	onmux := []byte("#!/bin/sh\nenv | grep ONMUX\necho \"$@\"\n")
	if err := os.WriteFile(filepath.Join(dir, "onmux"), onmux, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, "testdata/deploy/slurm/scan.sbatch")
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "SLURM_ARRAY_TASK_ID=3")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ONMUX_SHARDS=8\n") ||
		!strings.Contains(string(out), "--shard auto --seed 417 -q -o jsonl=shard-3.jsonl") {
		t.Errorf("%v: %s", err, out)
	}
}
