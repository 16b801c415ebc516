{{/* Fluent Bit's configuration: the sidecar and the compose file share one, the DaemonSet has its own. */}}
{{- define "damage-tasks.fluentBit" -}}
{{- $file := ternary "files/fluent-bit.yaml" "files/fluent-bit-daemonset.yaml" (eq .Values.logs.shipping "sidecar") -}}
{{ .Files.Get $file }}
{{- end }}

{{/* Environment variables used in the configuration. */}}
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
{{- include "damage-tasks.extraEnv" (list . .Values.logs) }}
{{- end }}

{{/*
Fluent Bit as a sidecar. It is an init container that keeps running, so it stops after the worker and
ships the worker's last lines too.
*/}}
{{- define "damage-tasks.logSidecar" -}}
- name: fluent-bit
  restartPolicy: Always
  image: {{ include "damage-tasks.imageName" (list . .Values.logs.image "") | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/fluent-bit/bin/fluent-bit]
  args: [--config=/etc/fluent-bit/fluent-bit.yaml]
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
    - {name: fluent-bit, mountPath: /etc/fluent-bit, readOnly: true}
    {{- include "damage-tasks.extraVolumeMounts" (list . dict) | nindent 4 }}
{{- end }}
