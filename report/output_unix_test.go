//go:build unix

package report_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// TestFull writes to the device that is always full, beside outputs that are
// not. The device must survive it.
func TestFull(t *testing.T) {
	const full = "/dev/full"
	before, err := os.Stat(full)
	if err != nil {
		t.Skip("no such device here:", err)
	}
	dir := t.TempDir()
	file, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	if err := os.Symlink(full, link); err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	s := open(t, &stdout, Output{Format: "json", File: link}, Output{Format: "jsonl"}, Output{Format: "json", File: file})
	Sample().Replay(t, s)
	err = s.Close()
	if want := "cannot write the json report to " + link + ": no space left on device"; err == nil ||
		err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v is not ENOSPC", err)
	}
	valid(t, "jsonl", stdout.Bytes())
	b, _ := os.ReadFile(file)
	valid(t, "json", b)
	after, err := os.Lstat(full)
	if err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
		t.Errorf("the device became %v, %v", after, err)
	}
}

func TestSameDeviceTwice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no such device here:", err)
	}
	outputs := []Output{{Format: "json", File: "/dev/full"}, {Format: "jsonl", File: "/dev/../dev/full"}}
	_, err := Open(t.Context(), outputs, nil, Options{})
	if err == nil || !strings.Contains(err.Error(), "two reports") {
		t.Error(err)
	}
}

func TestReaderIsGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	file := filepath.Join(t.TempDir(), "f")
	s, err := Open(t.Context(), []Output{{Format: "jsonl"}, {Format: "json", File: file}}, w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	Sample().Replay(t, s)
	err = s.Close()
	if want := "cannot write the jsonl report to standard output: broken pipe"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%v is not EPIPE", err)
	}
	b, _ := os.ReadFile(file)
	valid(t, "json", b)
}

// TestFIFO reads while the report is written: every line must be there before
// the next is written.
func TestFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	r, err := os.OpenFile(fifo, os.O_RDWR, 0) // both ends, so that neither open waits
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := open(t, nil, Output{Format: "jsonl", File: fifo})
	var got []byte
	line := func() {
		for one := make([]byte, 1); one[0] != '\n'; got = append(got, one[0]) {
			if _, err := io.ReadFull(r, one); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := Sample()
	s.Start(all.Started)
	line()
	for _, f := range all.Findings {
		Write(s, f)
		line()
	}
	s.End(all.Ended)
	line()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	valid(t, "jsonl", got)
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the FIFO became %v, %v", info, err)
	}
}

func TestUnwritableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), []Output{{Format: "json", File: filepath.Join(dir, "f")}}, nil, Options{})
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), ".onmux-") {
		t.Error(err)
	}
}

func TestNewFileFollowsTheUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	file := filepath.Join(t.TempDir(), "f")
	s := open(t, nil, Output{Format: "json", File: file})
	Empty().Replay(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestFolderGone loses the folder between Open and Close.
func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, nil, Output{Format: "json", File: filepath.Join(dir, "f")})
	Empty().Replay(t, s)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err := s.Close()
	if want := "cannot write the json report to " + filepath.Join(dir, "f") +
		": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestFIFOWithoutReader: a FIFO that nobody reads, from the start or any more, is given up when the
// context ends.
func TestFIFOWithoutReader(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	outputs := []Output{{Format: "json", File: filepath.Join(dir, "f")}, {Format: "jsonl", File: name}}
	_, err := Open(ctx, outputs, nil, Options{})
	if want := "cannot write the jsonl report to " + name + ": nobody reads this FIFO"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got := names(t, dir); got != "fifo" {
		t.Errorf("left in the folder: %s", got)
	}

	r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel = context.WithCancel(t.Context())
	s, err := Open(ctx, []Output{{Format: "jsonl", File: name}}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	all := Sample()
	for err = s.Start(all.Started); err == nil; { // far more than a pipe holds
		err = Write(s, all.Findings[0])
	}
	if want := "cannot write the jsonl report to " + name + ": i/o timeout"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := s.Close(); err == nil {
		t.Error("no error at the end")
	}
}
