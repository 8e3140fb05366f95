package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// A type fits one reader's head, too: maxMembers fields, and as many methods.
const maxMembers = 15

// larger are types that have more. Records have the fields that documents have; handlers have
// a method for each kind of record; Cell is one byte with all its meanings, Host what tests do
// with a host; the others are to become smaller.
var larger = map[string]bool{
	"probe/local.Coverage": true, "probe/local.Listener": true, "probe/local/owner.Owner": true,
	"probe/local/socket.Socket": true, "report/nmap.kept": true, "scan.Note": true, "scan.Config": true,

	"report/ci.csvHandler": true, "report/ci.cases": true, "report/html.page": true, "report/nmap.writer": true,
	"report/text.writer": true, "report/text.endpoints": true, "report/text.portTable": true,
	"report/record.Recording": true,

	"probe/nettest.Host": true, "scan/verdict.Cell": true,

	"scan/control.Watch": true,
}

// TestTypeSizes counts the fields of structs and the methods of types, as they are on Linux.
func TestTypeSizes(t *testing.T) {
	found := make(map[string]bool) // of larger
	linux := build.Default
	linux.GOOS, linux.CgoEnabled = "linux", false
	for pkg, files := range sources(t) {
		fields, methods := make(map[string]int), make(map[string]int)
		for _, f := range files {
			if ok, err := linux.MatchFile(filepath.Split(f.path)); err != nil || !ok {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), f.path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.TypeSpec:
					switch kind := n.Type.(type) {
					case *ast.StructType:
						fields[n.Name.Name] = kind.Fields.NumFields()
					case *ast.InterfaceType:
						methods[n.Name.Name] = kind.Methods.NumFields()
					}
				case *ast.FuncDecl:
					if n.Recv != nil {
						methods[receiver(n.Recv.List[0].Type)]++
					}
				}
				return true
			})
		}
		for what, all := range map[string]map[string]int{"fields": fields, "methods": methods} {
			for name, n := range all {
				if n > maxMembers {
					found[pkg+"."+name] = true
					if !larger[pkg+"."+name] {
						t.Errorf("%s.%s has %d %s: the most is %d", pkg, name, n, what, maxMembers)
					}
				}
			}
		}
	}
	for name := range larger {
		if !found[name] {
			t.Errorf("%s is not larger any more", name)
		}
	}
}

// receiver is the name of the type that a method is of.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
