{{/*
Beginning of every object's name: the release's, if it names the application already. A Service's
name must begin with a letter, a release's need not.
*/}}
{{- define "damage-tasks.name" -}}
{{- if .Values.nameOverride }}
{{- .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- else if not (regexMatch "^[a-z]" .Release.Name) }}
{{- printf "%s-%s" .Chart.Name .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the pods of one component: (list $ "worker"). Never changes for a release. */}}
{{- define "damage-tasks.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of one component: (list $ "worker"). */}}
{{- define "damage-tasks.labels" -}}
{{- $root := index . 0 -}}
{{ include "damage-tasks.selector" . }}
app.kubernetes.io/version: {{ include "damage-tasks.version" $root | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "damage-tasks.version" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "damage-tasks.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ include "damage-tasks.version" . }}
{{- end }}
{{- end }}

{{/* Name of a component's service account: (list $ "worker"). */}}
{{- define "damage-tasks.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := index $root.Values.serviceAccounts (index . 1) -}}
{{ $account.name | default (printf "%s-%s" (include "damage-tasks.name" $root) (index . 1)) }}
{{- end }}

{{/* Name of the Secret that holds passwords and keys. */}}
{{- define "damage-tasks.secret" -}}
{{ .Values.secret.existing | default (include "damage-tasks.name" .) }}
{{- end }}

{{/* The AWS region: as given, else what the queue's URL says. */}}
{{- define "damage-tasks.region" -}}
{{- $url := .Values.settings.DAMAGE_QUEUE_URL | default "" -}}
{{- .Values.aws.region | default (regexFind "sqs\\.[a-z0-9-]+\\." $url | trimPrefix "sqs." | trimSuffix ".") -}}
{{- end }}

{{/* What a setting is without the chart's help, where the chart computes with it. */}}
{{- define "damage-tasks.loadTimeout" -}}
{{ .Values.settings.DAMAGE_LOAD_TIMEOUT | default 120 }}
{{- end }}

{{/* A setting as the text that a variable holds: lists by comma, no 3.3e+07. */}}
{{- define "damage-tasks.text" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}
