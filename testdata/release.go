//go:build ignore

// Release writes the files of a release that no other program writes alike on every machine:
//
//	release archive FILE.tar.gz|FILE.zip FOLDER   an archive of a folder, under its name
//	release sbom BINARY                           the modules in a binary, as CycloneDX
//	release image FILE VERSION amd64=BINARY ...   an OCI image with nothing but the binary
//
// Times are those of $SOURCE_DATE_EPOCH. .ci/release calls it.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		log.Fatal("SOURCE_DATE_EPOCH is not a time: ", err)
	}
	made := time.Unix(seconds, 0).UTC()
	args := append(os.Args[1:], "", "", "")
	switch args[0] {
	case "archive":
		err = archive(args[1], args[2], made)
	case "sbom":
		err = sbom(os.Stdout, args[1], made)
	case "image":
		err = image(args[1], args[2], os.Args[4:], made)
	default:
		err = fmt.Errorf("%q is not archive, sbom or image", args[0])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// entry is a file of an archive.
type entry struct {
	name string
	mode fs.FileMode
	data []byte
}

// archive writes a folder, in the order of names.
func archive(to, folder string, made time.Time) error {
	var entries []entry
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{mode: 0o644}
		if info.Mode()&0o100 != 0 {
			e.mode = 0o755
		}
		if e.name, err = filepath.Rel(filepath.Dir(folder), path); err != nil {
			return err
		}
		e.data, err = os.ReadFile(path)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return err
	}
	var out []byte
	if strings.HasSuffix(to, ".zip") {
		out, err = zipped(entries, made)
	} else if out, err = tarred(entries, made); err == nil {
		out, err = gzipped(out)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, out, 0o644)
}

func tarred(entries []entry, made time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: filepath.ToSlash(e.name), Mode: int64(e.mode), Size: int64(len(e.data)), ModTime: made}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	err := w.Close() // before the bytes are read
	return out.Bytes(), err
}

func gzipped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

func zipped(entries []entry, made time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: filepath.ToSlash(e.name), Method: zip.Deflate, Modified: made}
		h.SetMode(e.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(e.data); err != nil {
			return nil, err
		}
	}
	err := w.Close() // before the bytes are read
	return out.Bytes(), err
}

// object is a JSON object, whose keys are written in order.
type object = map[string]any

// sbom writes what the Go toolchain recorded in a binary (CycloneDX 1.5, ECMA-424).
func sbom(w io.Writer, binary string, made time.Time) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	platform := map[string]string{}
	for _, s := range info.Settings {
		platform[s.Key] = s.Value
	}
	components := []object{{
		"type": "library", "name": "std", "version": strings.TrimPrefix(info.GoVersion, "go"),
		"purl": "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"),
	}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		components = append(components, object{
			"type": "library", "name": m.Path, "version": m.Version, "purl": "pkg:golang/" + m.Path + "@" + m.Version,
			"properties": []object{{"name": "go.sum", "value": m.Sum}},
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(object{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata": object{
			"timestamp": made.Format(time.RFC3339),
			"component": object{
				"type": "application", "name": "onmux", "version": os.Getenv("VERSION"),
				"properties": []object{
					{"name": "platform", "value": platform["GOOS"] + "/" + platform["GOARCH"]},
					{"name": "commit", "value": platform["vcs.revision"]},
				},
			},
		},
		"components": components,
	})
}

// layout collects the blobs of an OCI image layout.
type layout struct{ entries []entry }

func (l *layout) add(kind string, data []byte) object {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	l.entries = append(l.entries, entry{"blobs/sha256/" + name, 0o644, data})
	return object{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + name, "size": len(data)}
}

func (l *layout) addJSON(kind string, o object) (object, error) {
	data, err := json.Marshal(o)
	return l.add(kind, data), err
}

// image writes an OCI image layout as a tar archive, with an image for each architecture.
func image(to, version string, binaries []string, made time.Time) error {
	var l layout
	var manifests []object
	labels := object{
		"org.opencontainers.image.title": "onmux", "org.opencontainers.image.version": version,
		"org.opencontainers.image.licenses":    "MIT",
		"org.opencontainers.image.description": "what is on a port: here, on that host, in that network",
	}
	for _, b := range binaries {
		arch, file, _ := strings.Cut(b, "=")
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files, err := tarred([]entry{{"onmux", 0o755, data}}, made)
		if err != nil {
			return err
		}
		packed, err := gzipped(files)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(files)
		config, err := l.addJSON("config.v1+json", object{
			"created": made.Format(time.RFC3339), "architecture": arch, "os": "linux",
			"config": object{"Entrypoint": []string{"/onmux"}, "Labels": labels},
			"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
		})
		if err != nil {
			return err
		}
		manifest, err := l.addJSON("manifest.v1+json", object{
			"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
			"config": config, "layers": []object{l.add("layer.v1.tar+gzip", packed)},
		})
		if err != nil {
			return err
		}
		manifest["platform"] = object{"architecture": arch, "os": "linux"}
		manifests = append(manifests, manifest)
	}
	all, err := l.addJSON("index.v1+json", object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
	})
	if err != nil {
		return err
	}
	all["annotations"] = object{"org.opencontainers.image.ref.name": version}
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{all}})
	if err != nil {
		return err
	}
	out, err := tarred(append([]entry{
		{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {"index.json", 0o644, index},
	}, l.entries...), made)
	if err != nil {
		return err
	}
	return os.WriteFile(to, out, 0o644)
}
