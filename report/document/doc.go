// Package document writes reports as JSON, one document (json) or one record a line
// (jsonl), and reads both back. Their shape is a JSON Schema, which is part of the
// program.
package document
