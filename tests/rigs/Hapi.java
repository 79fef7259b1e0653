import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.app.HL7Service;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import ca.uhn.hl7v2.protocol.ReceivingApplicationException;
import ca.uhn.hl7v2.util.Terser;
import java.io.IOException;
import java.util.Map;

/** A receiver by MLLP on the port given: HAPI parses and validates, and says of each message it took what it read. */
public class Hapi implements ReceivingApplication<Message> {
    public static void main(String[] arguments) throws Exception {
        HL7Service service = new DefaultHapiContext().newServer(Integer.parseInt(arguments[0]), false);
        service.registerApplication("*", "*", new Hapi());
        service.startAndWait();
        System.out.println("ready");
    }

    @Override
    public Message processMessage(Message message, Map<String, Object> about) throws ReceivingApplicationException {
        try {
            Terser read = new Terser(message);
            String[] parts = {
                message.getName(), read.get("/MSH-9-2"), read.get("/MSH-10"), read.get("/.PID-3-1"), read.get("/.PID-5-1")
            };
            System.out.println(String.join("|", parts));
            return message.generateACK();
        } catch (HL7Exception | IOException error) {
            throw new ReceivingApplicationException(error);
        }
    }

    @Override
    public boolean canProcess(Message message) {
        return true;
    }
}
