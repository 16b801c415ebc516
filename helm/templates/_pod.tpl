{{/* Security context of all pods: the restricted Pod Security Standard. */}}
{{- define "damage-tasks.podSecurity" -}}
runAsNonRoot: true
{{- if .Values.podSecurity.fixedIds }}
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "damage-tasks.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Annotations that replace the pods when the settings or the chart's own Secret change. */}}
{{- define "damage-tasks.checksums" -}}
checksum/settings: {{ .Values.settings | toJson | sha256sum }}
{{- if not .Values.secret.existing }}
checksum/secret: {{ .Values.secret.values | toJson | sha256sum }}
{{- end }}
{{- end }}

{{/* AWS region and endpoint for boto3. Credentials come from the service account. */}}
{{- define "damage-tasks.awsEnv" -}}
{{ range list "AWS_REGION" "AWS_DEFAULT_REGION" }}
- name: {{ . }}
  value: {{ include "damage-tasks.region" $ | quote }}
{{- end }}
{{- with .Values.aws.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* A variable from the Secret: (list $ "DAMAGE_SENTRY_DSN" true); true if the key may be missing. */}}
{{- define "damage-tasks.secretVariable" -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef:
      name: {{ include "damage-tasks.secret" (index . 0) | quote }}
      key: {{ index . 1 }}
      {{- if index . 2 }}
      optional: true
      {{- end }}
{{- end }}

{{/*
For pods that download no photo from a URL: they get no private key of CloudFront, and the settings that
need it would keep them from starting.
*/}}
{{- define "damage-tasks.withoutPrivateKey" -}}
{{- if .Values.settings.DAMAGE_CLOUDFRONT_HOSTS }}
- {name: DAMAGE_CLOUDFRONT_HOSTS, value: ""}
{{- end }}
{{- if eq (.Values.settings.DAMAGE_LINKS | default "none") "cloudfront" }}
- {name: DAMAGE_LINKS, value: none}
{{- end }}
{{- end }}

{{/* URL of the event bus: the chart's own, a managed one, or the one in the Secret. */}}
{{- define "damage-tasks.busEnv" -}}
{{- if .Values.eventBus.enabled }}
{{ include "damage-tasks.secretVariable" (list . "EVENT_BUS_PASSWORD" false) }}
- name: DAMAGE_EVENT_BUS_URL
  value: redis://:$(EVENT_BUS_PASSWORD)@{{ include "damage-tasks.fullname" . }}-event-bus:6379/0
{{- else if .Values.eventBus.url }}
{{- if contains "$(EVENT_BUS_PASSWORD)" .Values.eventBus.url }}
{{ include "damage-tasks.secretVariable" (list . "EVENT_BUS_PASSWORD" false) }}
{{- end }}
- name: DAMAGE_EVENT_BUS_URL
  value: {{ .Values.eventBus.url | quote }}
{{- else }}
{{ include "damage-tasks.secretVariable" (list . "DAMAGE_EVENT_BUS_URL" true) }}
{{- end }}
{{- end }}

{{/* All environment variables of workers and of pods that run as one. */}}
{{- define "damage-tasks.workerEnv" -}}
{{ include "damage-tasks.awsEnv" . }}
{{ include "damage-tasks.secretVariable" (list . "DAMAGE_DATABASE_URL" false) }}
{{- range list "DAMAGE_CLOUDFRONT_PRIVATE_KEY" "DAMAGE_SENTRY_DSN" "DAMAGE_SLACK_WEBHOOK_URL" }}
{{ include "damage-tasks.secretVariable" (list $ . true) }}
{{- end }}
{{- include "damage-tasks.busEnv" . }}
{{- include "damage-tasks.certificateEnv" . }}
{{- if not (or .Values.flower.enabled (hasKey .Values.settings "DAMAGE_DEAD_LETTER_ALERTS")) }}
# Otherwise Flower sends these alerts, because there is only one Flower.
- name: DAMAGE_DEAD_LETTER_ALERTS
  value: worker
{{- end }}
{{- $worker := include "damage-tasks.workerValues" . | fromYaml }}
{{- if and (dig "requests" "cpu" "" ($worker.resources | default dict)) (not (hasKey .Values.settings "DAMAGE_CORES")) }}
# Otherwise DAMAGE_CONCURRENCY=auto would count all cores of the node.
- name: DAMAGE_CORES
  valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: "1"}}
{{- end }}
{{- with .Values.worker.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Whether there are targets of events; if not, nothing delivers them. */}}
{{- define "damage-tasks.sendsEvents" -}}
{{- if or .Values.settings.DAMAGE_EVENT_TARGETS .Values.settings.DAMAGE_CALLBACK_HOSTS }}true{{ end }}
{{- end }}
