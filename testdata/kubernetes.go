//go:build ignore

// Writes a JSON Schema of the kinds of Kubernetes that the manifests here use, from the types of
// k8s.io/api: every field by its name and type, and no other. The script kubernetes.sh runs it.
package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type object map[string]any

// kinds has the types of whole manifests, by apiVersion.
var kinds = map[string][]any{
	"apps/v1":              {appsv1.DaemonSet{}, appsv1.Deployment{}, appsv1.StatefulSet{}},
	"batch/v1":             {batchv1.Job{}},
	"networking.k8s.io/v1": {networkingv1.NetworkPolicy{}},
	"v1": {
		corev1.ConfigMap{}, corev1.Namespace{}, corev1.PersistentVolumeClaim{}, corev1.Secret{}, corev1.Service{},
		corev1.ServiceAccount{},
	},
}

// schemas has the definitions, by type.
type schemas struct {
	defs  object
	enums map[string][]string // by package path and type
}

// of returns the schema of a type; structs are definitions.
func (s *schemas) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return object{"type": []string{"string", "number"}, "pattern": `^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)` +
			`([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$`}
	case reflect.TypeFor[intstr.IntOrString]():
		return object{"type": []string{"string", "integer"}}
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[metav1.FieldsV1]():
		return object{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		if values := s.enums[t.PkgPath()+"."+t.Name()]; values != nil {
			return object{"enum": values}
		}
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int32, reflect.Int64, reflect.Int:
		return object{"type": "integer"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := filepath.Base(filepath.Dir(t.PkgPath())) + "." + t.Name()
		if s.defs[name] == nil {
			s.defs[name] = object{} // it may have itself as a field
			properties, required := object{}, []string{}
			s.fields(t, properties, &required)
			def := object{"type": "object", "properties": properties, "additionalProperties": false}
			if len(required) > 0 {
				def["required"] = required
			}
			s.defs[name] = def
		}
		return object{"$ref": "#/$defs/" + name}
	}
	panic(t.String())
}

func (s *schemas) fields(t reflect.Type, properties object, required *[]string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && f.Anonymous:
			s.fields(f.Type, properties, required)
		case name != "" && name != "-" && name != "status" && name != "managedFields":
			properties[name] = s.of(f.Type)
			if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
				*required = append(*required, name)
			}
		}
	}
}

// readEnums reads the constants of a type that its comment calls an enum.
func (s *schemas) readEnums(dir, pkg string) {
	parsed, err := parser.ParseDir(token.NewFileSet(), dir, nil, parser.ParseComments)
	if err != nil {
		panic(err)
	}
	enums, values := map[string]bool{}, map[string][]string{}
	for _, p := range parsed {
		for _, file := range p.Files {
			for _, decl := range file.Decls {
				d, ok := decl.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if strings.Contains(d.Doc.Text()+spec.Doc.Text(), "+enum") {
							enums[spec.Name.Name] = true
						}
					case *ast.ValueSpec:
						of, ok := spec.Type.(*ast.Ident)
						if !ok || len(spec.Values) != 1 {
							continue
						}
						if v, ok := spec.Values[0].(*ast.BasicLit); ok && v.Kind == token.STRING {
							text, _ := strconv.Unquote(v.Value)
							values[of.Name] = append(values[of.Name], text)
						}
					}
				}
			}
		}
	}
	for name := range enums {
		slices.Sort(values[name])
		s.enums[pkg+"."+name] = slices.Compact(values[name])
	}
}

func main() {
	s := &schemas{defs: object{}, enums: map[string][]string{}}
	for _, pkg := range []string{"apps/v1", "batch/v1", "core/v1", "networking/v1"} {
		s.readEnums(filepath.Join(os.Args[1], pkg), "k8s.io/api/"+pkg)
	}
	var all []object
	for version, types := range kinds {
		for _, v := range types {
			t := reflect.TypeOf(v)
			all = append(all, object{
				"required":   []string{"apiVersion", "kind", "metadata"},
				"properties": object{"apiVersion": object{"const": version}, "kind": object{"const": t.Name()}},
				"$ref":       s.of(t)["$ref"],
			})
		}
	}
	slices.SortFunc(all, func(a, b object) int { return strings.Compare(a["$ref"].(string), b["$ref"].(string)) })
	schema := object{
		"$schema":  "https://json-schema.org/draft/2020-12/schema",
		"$comment": "Written by kubernetes.sh from the types of k8s.io/api " + os.Args[2] + " (Apache-2.0).",
		"oneOf":    all, "$defs": s.defs,
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	out.SetEscapeHTML(false)
	if err := out.Encode(schema); err != nil {
		panic(err)
	}
}
