{{/* The configuration, the same for sidecar and compose file; the DaemonSet reads other files. */}}
{{- define "damage-tasks.fluentBit" -}}
{{- $file := ternary "files/fluent-bit.yaml" "files/fluent-bit-daemonset.yaml" (eq .Values.logs.shipping "sidecar") -}}
{{ .Files.Get $file }}
{{- end }}

{{/* What the configuration refers to. */}}
{{- define "damage-tasks.fluentBitEnv" -}}
- name: AWS_REGION
  value: {{ include "damage-tasks.region" . | quote }}
- name: S3_ENDPOINT
  {{- $region := include "damage-tasks.region" . }}
  {{- $domain := ternary "amazonaws.com.cn" "amazonaws.com" (hasPrefix "cn-" $region) }}
  value: {{ .Values.aws.endpointUrl | default (printf "https://s3.%s.%s" $region $domain) | quote }}
- name: LOG_BUCKET
  value: {{ .Values.logs.bucket | quote }}
- name: LOG_PREFIX
  value: {{ .Values.logs.prefix | quote }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}

{{/*
Fluent Bit beside the worker. An init container that goes on running ends after the worker, so
that its last lines are shipped too.
*/}}
{{- define "damage-tasks.logSidecar" -}}
- name: fluent-bit
  restartPolicy: Always
  image: {{ .Values.logs.image | quote }}
  command: [/fluent-bit/bin/fluent-bit]
  args: [--config=/etc/damage-tasks/fluent-bit.yaml]
  env: {{- include "damage-tasks.fluentBitEnv" . | nindent 4 }}
  ports:
    - {name: logs, containerPort: 2020}
  livenessProbe:
    httpGet: {path: /, port: logs}
    periodSeconds: 20
  resources: {{- toYaml .Values.logs.resources | nindent 4 }}
  securityContext: {{- include "damage-tasks.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: logs, mountPath: /var/log/damage-tasks}
    - {name: fluent-bit, mountPath: /etc/damage-tasks, readOnly: true}
{{- end }}
