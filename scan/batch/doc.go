// Package batch answers which shard of a scan a process is, by the environment variables
// with which a batch system numbers the tasks of a job: Kubernetes, Slurm, Grid Engine,
// AWS Batch, Google Batch, Cloud Run and GNU parallel.
//
// A wrong shard is worse than none, because its endpoints would be missing or asked twice. So
// everything that the variables contradict, or leave open, is an error that names them.
package batch
