package help

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// Install writes the completion of a shell to where the shell looks for those of its user,
// and returns the file and what else is to be done, if anything.
func Install(shell string, p Program) (file, todo string, err error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", "", err
	}
	dir := func(variable, otherwise string, rest ...string) string {
		base := os.Getenv(variable)
		if !filepath.IsAbs(base) {
			base = filepath.Join(home, otherwise)
		}
		return filepath.Join(append([]string{base}, rest...)...)
	}
	switch shell {
	case "bash":
		file = dir("XDG_DATA_HOME", ".local/share", "bash-completion", "completions", "onmux")
		todo = "a new shell has it, if the package bash-completion is installed"
	case "zsh":
		file = dir("XDG_DATA_HOME", ".local/share", "zsh", "site-functions", "_onmux")
		todo = "in ~/.zshrc, before compinit: fpath=(" + filepath.Dir(file) + " $fpath)"
	case "fish":
		file = dir("XDG_CONFIG_HOME", ".config", "fish", "completions", "onmux.fish")
		todo = "a new shell has it"
	}
	var script bytes.Buffer
	if err := Complete(&script, shell, p); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", "", fmt.Errorf("making the folder of completions: %w", err)
	}
	return file, todo, os.WriteFile(file, script.Bytes(), 0o644)
}
